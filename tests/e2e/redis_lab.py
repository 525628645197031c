"""Real servers of each topology as plain processes on the loopback interface."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Callable, Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

START_SECONDS = 30
NODE_TIMEOUT_MS = 1000
MASTER = "mymaster"
SLOTS = 16384


@dataclass
class Server:
    """One process. `folder` keeps its data."""

    port: int
    folder: Path
    command: list[str]
    password: str | None = None
    process: subprocess.Popen[bytes] | None = None

    @property
    def address(self) -> str:
        return f"127.0.0.1:{self.port}"

    @property
    def url(self) -> str:
        return f"redis://{f':{self.password}@' if self.password else ''}{self.address}"

    def client(self, **options: Any) -> Any:
        return redis.Redis(
            port=self.port, password=self.password, protocol=2, decode_responses=True,
            socket_timeout=10, retry=Retry(NoBackoff(), 0), **options,
        )  # fmt: skip

    def start(self) -> None:
        with (self.folder / "log").open("ab") as log:
            self.process = subprocess.Popen(
                self.command, stdout=log, stderr=subprocess.STDOUT, cwd=self.folder
            )
        wait_for(self._answers, START_SECONDS, lambda: (self.folder / "log").read_text()[-2000:])

    def _answers(self) -> bool:
        assert self.process
        assert self.process.poll() is None, (self.folder / "log").read_text()[-2000:]
        with suppress(redis.RedisError), self.client() as client:
            return bool(client.ping())
        return False

    def send(self, number: int) -> None:
        assert self.process
        os.kill(self.process.pid, number)

    def stop(self, number: int = signal.SIGKILL) -> None:
        if self.process:
            with suppress(ProcessLookupError):
                self.process.send_signal(signal.SIGCONT)
                self.process.send_signal(number)
            self.process.wait(20)
            self.process = None


class RedisLab:
    """Starts servers, and ends them all with `close`."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.servers: list[Server] = []
        # redis-tools brings the server under another name, and no service; it is what it is called as
        source = shutil.which("redis-check-rdb")
        assert source, "redis-check-rdb is missing: `make test` installs it (apt package redis-tools)"
        for name in ("redis-server", "redis-sentinel"):
            (folder / name).symlink_to(source)

    def close(self) -> None:
        for server in self.servers:
            server.stop()
        self.servers.clear()

    def server(self, *lines: str, program: str = "redis-server", password: str | None = None) -> Server:
        """One server, with these lines in its configuration."""
        port = free_port()
        folder = self.folder / str(port)
        folder.mkdir()
        own = [f"port {port}", "bind 127.0.0.1", f"dir {folder}", *lines]
        if program == "redis-server":
            own += ['save ""', "repl-diskless-sync-delay 0", "enable-debug-command yes"]
        if password:
            own += [f"requirepass {password}"]
        (folder / "conf").write_text("\n".join(own) + "\n")
        server = Server(port, folder, [str(self.folder / program), str(folder / "conf")], password)
        self.servers.append(server)
        server.start()
        return server

    def replicated(self, replicas: int = 2, *lines: str) -> list[Server]:
        """A primary, first, and its replicas, in sync."""
        primary = self.server(*lines)
        others = [self.server(f"replicaof 127.0.0.1 {primary.port}", *lines) for _ in range(replicas)]
        for each in others:
            wait_for(lambda each=each: _linked(each), START_SECONDS, lambda: "no link to the primary")
        return [primary, *others]

    def sentinel_set(self, replicas: int = 2, sentinels: int = 3) -> tuple[list[Server], list[Server]]:
        """The servers, the primary first, and the Sentinels."""
        servers = self.replicated(replicas)
        watching = [
            self.server(
                f"sentinel monitor {MASTER} 127.0.0.1 {servers[0].port} {sentinels // 2 + 1}",
                f"sentinel down-after-milliseconds {MASTER} 1000",
                f"sentinel failover-timeout {MASTER} 3000",
                program="redis-sentinel",
            )
            for _ in range(sentinels)
        ]
        for each in watching:
            wait_for(lambda each=each: _knows(each, replicas, sentinels), START_SECONDS, lambda: "alone")
        return servers, watching

    def cluster(self, primaries: int = 3, replicas: int = 1, *lines: str) -> list[Server]:
        """A Redis Cluster: its primaries, first, then their replicas, in the same order."""
        own = ["cluster-enabled yes", f"cluster-node-timeout {NODE_TIMEOUT_MS}", *lines]
        servers = [
            self.server(*own, f"cluster-port {free_port()}") for _ in range(primaries * (1 + replicas))
        ]
        buses = [int(each.client().config_get("cluster-port")["cluster-port"]) for each in servers]
        for number, each in enumerate(servers):
            each.client().execute_command("CLUSTER SET-CONFIG-EPOCH", number + 1)
        for each, bus in list(zip(servers, buses, strict=True))[1:]:
            servers[0].client().execute_command("CLUSTER MEET", "127.0.0.1", each.port, bus)
        for number, each in enumerate(servers[:primaries]):
            first, last = SLOTS * number // primaries, SLOTS * (number + 1) // primaries - 1
            each.client().execute_command("CLUSTER ADDSLOTSRANGE", first, last)
        ids = [each.client().execute_command("CLUSTER MYID") for each in servers]
        wait_for(
            lambda: all(_known(each) == len(servers) for each in servers), 30, lambda: "not all know all"
        )
        for number, each in enumerate(servers[primaries:]):
            each.client().execute_command("CLUSTER REPLICATE", ids[number % primaries])
        wait_for(lambda: all(map(_ok, servers)), 30, lambda: str([_state(each) for each in servers]))
        for each in servers[primaries:]:
            wait_for(lambda each=each: _linked(each), 30, lambda: "no link to the primary")
        return servers


def _linked(server: Server) -> bool:
    said = server.client().info("replication")
    return said["role"] == "slave" and said["master_link_status"] == "up"


def _knows(sentinel: Server, replicas: int, sentinels: int) -> bool:
    [found] = sentinel.client().sentinel_masters().values()
    return found["num-slaves"] == replicas and found["num-other-sentinels"] == sentinels - 1


def _state(server: Server) -> dict[str, str]:
    return server.client().execute_command("CLUSTER INFO")


def _ok(server: Server) -> bool:
    said = _state(server)
    return said["cluster_state"] == "ok" and said["cluster_slots_ok"] == str(SLOTS)


def _known(server: Server) -> int:
    return int(_state(server)["cluster_known_nodes"])


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def wait_for(condition: Callable[[], Any], seconds: float, seen: Callable[[], str]) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not in {seconds} s; last seen: {seen()}"
        time.sleep(0.02)
    return found


def config(folder: Path, name: str, servers: Sequence[Server]) -> Path:
    """A project's folder whose config.json has these nodes."""
    nodes = [each.address for each in servers]
    (folder / "config.json").write_text(json.dumps({"redis_nodes": {name: {"nodes": nodes}}}))
    return folder
