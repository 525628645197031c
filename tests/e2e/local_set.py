"""The set as plain processes on loopback addresses: the image's files, the pods' own scripts, no cluster.

Each "pod" has a mount namespace of its own with the folders that a pod has. Members have addresses 127.N.0.x,
Sentinels 127.N.1.x. What Kubernetes does (restart what ends, hand over before a stop) is done here by hand,
so that a test can choose the order.
"""

from __future__ import annotations

import os
import secrets
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from string import Template
from typing import Any

from made_certificates import Certificates
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import RedisError
from redis.retry import Retry

from components.secured import secured
from filewallball.encryption import redis_options
from filewallball.valkey import peers
from filewallball.valkey.agent import Agent
from filewallball.valkey.layout import Layout, Pod

FILES = Path(__file__).parents[2] / "components" / "files" / "valkey"
MASTER = "valkey-session-master"
KEYS = ("app", "sentinel", "checks", "agent", "replica", "watch", "peer", "backup")
MOUNTS = ("etc/filewallball", "data", "run/valkey", "secrets/valkey-credentials")
CERTIFIED = ("valkey", "valkey-sentinel")
AGENT_PORT = 18080
RESERVED = 60


@dataclass
class Process:
    """A pod without its container; `folder` keeps its data."""

    pod: Pod
    folder: Path
    process: subprocess.Popen[bytes] | None = None
    agent: Agent | None = None
    threads: list[threading.Thread] = field(default_factory=list)
    http: Any = None
    settled: Callable[[str], str] = lambda text: text
    """What is done to each of its files before it starts: how it runs under another version."""


class LocalSet:
    """`members` and `sentinels` by number; start() starts everything at once."""

    def __init__(
        self,
        root: Path,
        folder: Path,
        net: int,
        members: int = 3,
        sentinels: int = 5,
        connections: int = 1000,
        *,
        encrypted: bool = False,
    ) -> None:
        self.root = root
        self.folder = folder
        self.net = net
        self.connections = connections
        self.passwords = {key: secrets.token_urlsafe(12) for key in KEYS}
        self.settings = {
            "maxmemory": "64mb",
            "maxclients": str(connections + RESERVED),
            "loglevel": "notice",
            "save_points": "900 1 300 10 60 10000",
            "appendonly": "no",
            "min_replicas_to_write": str(members // 2),
            "min_replicas_max_lag": "5",
        }
        self.options = {
            "FWB_QUORUM": str(sentinels // 2 + 1),
            "FWB_DOWN_AFTER_MS": "1000",
            "FWB_FAILOVER_TIMEOUT_MS": "3000",
        }
        self.members = [self._process(f"valkey-{n}", f"127.{net}.0.{n + 1}") for n in range(members)]
        self.sentinels = [
            self._process(f"valkey-sentinel-{n}", f"127.{net}.1.{n + 1}") for n in range(sentinels)
        ]
        self.certificates = Certificates() if encrypted else None
        self.tls = {server: folder / "tls" / server for server in CERTIFIED if encrypted}
        self.renew()
        for place in (*MOUNTS, *(f"tls/{server}" for server in CERTIFIED)):
            (root / place).mkdir(parents=True, exist_ok=True)
        (root / "dev").mkdir(exist_ok=True)
        (root / "dev/null").touch()

    def renew(self) -> dict[str, int]:
        """New certificates, if there are any: their serial numbers."""
        assert self.certificates or not self.tls
        of = {"valkey": self.members, "valkey-sentinel": self.sentinels}
        return {
            server: self.certificates.write(folder, "127.0.0.1", *(each.pod.host for each in of[server]))
            for server, folder in self.tls.items()
            if self.certificates
        }

    def ca_file(self, server: str = "valkey") -> str | None:
        return str(self.tls[server] / "ca.crt") if self.tls else None

    def _process(self, name: str, host: str) -> Process:
        folder = self.folder / name
        for place in MOUNTS:
            (folder / place).mkdir(parents=True, exist_ok=True)
        for key, value in self.passwords.items():
            (folder / "secrets/valkey-credentials" / f"{key}-password").write_text(value)
        return Process(Pod(name, host), folder)

    @property
    def everything(self) -> list[Process]:
        return [*self.members, *self.sentinels]

    def start(self, which: Iterable[Process] | None = None) -> None:
        for each in which if which is not None else self.everything:
            self.start_server(each)
            if each in self.members:
                self.start_agent(each)

    def start_missing(self) -> None:
        """Start what doesn't run; what was frozen goes on."""
        for each in self.everything:
            if each.process is None or each.process.poll() is not None:
                self.start_server(each)
            else:
                os.kill(each.process.pid, signal.SIGCONT)
            if each in self.members and each.agent is None:
                self.start_agent(each)

    def start_server(self, each: Process) -> None:
        texts: dict[str, str] = {}
        for source in FILES.iterdir():
            template = Template(source.read_text())
            conf = source.suffix == ".conf"
            text = template.substitute(self.settings) if conf else template.safe_substitute(self.settings)
            if source.name == "sentinel.conf":  # all share one host here
                text = text.replace("bind * -::*", f"bind {each.pod.host}")
            texts[source.name] = text
        for name, text in (secured("valkey", texts) if self.tls else texts).items():
            (each.folder / "etc/filewallball" / name).write_text(each.settled(text))
        theirs = "sentinel-tls.sh" if self.tls else "sentinel-start.sh"
        script = "start.sh" if each in self.members else theirs
        mounts = {Path("/dev/null"): self.root / "dev/null"}
        mounts |= {source: self.root / "tls" / server for server, source in self.tls.items()}
        mounts |= {each.folder / place: self.root / place for place in MOUNTS}
        binds = " && ".join(f"mount --bind {source} {target}" for source, target in mounts.items())
        command = f"{binds} && exec chroot {self.root} /bin/sh /etc/filewallball/{script}"
        log = (each.folder / "log").open("ab")
        each.process = subprocess.Popen(
            ["unshare", "--mount", "--propagation", "private", "/bin/sh", "-ec", command],
            env=self._environment(each), stdout=log, stderr=log, start_new_session=True,
        )  # fmt: skip

    def _environment(self, each: Process) -> dict[str, str]:
        hosts = {
            f"{other.pod.name.upper().replace('-', '_')}_SERVICE_HOST": other.pod.host
            for other in self.everything
        }
        counts = {"FWB_MEMBERS": str(len(self.members)), "FWB_SENTINELS": str(len(self.sentinels))}
        own = {"POD_NAME": each.pod.name, "FWB_MASTER_NAME": MASTER, "PATH": os.environ["PATH"]}
        return {**hosts, **counts, **own, **self.options}

    def layout(self, each: Process) -> Layout:
        return Layout(
            each.pod,
            tuple(other.pod for other in self.members),
            tuple(other.pod for other in self.sentinels),
            MASTER,
            int(self.options["FWB_QUORUM"]),
            each.folder / "run/valkey",
            each.folder / "secrets/valkey-credentials",
            each.pod.host,
            self.connections,
            self.tls.get("valkey"),
        )

    def start_agent(self, each: Process) -> None:
        each.agent = Agent(self.layout(each), AGENT_PORT)
        each.http = peers.serve(each.agent.state, each.pod.host, AGENT_PORT)
        thread = threading.Thread(target=each.agent.run, name=f"agent-{each.pod.name}", daemon=True)
        thread.start()
        each.threads = [thread]

    def stop_agent(self, each: Process) -> None:
        """End the agent in order: a primary's hands over first."""
        if each.agent:
            each.agent.stop()
            for thread in each.threads:
                thread.join(20)
            each.http.shutdown()
            each.http.server_close()
            each.agent = None

    def stop_agent_roughly(self, each: Process) -> None:
        """As if the agent were killed: nothing is handed over."""
        if each.agent:
            each.agent._leave = lambda: None  # type: ignore[method-assign]
            self.stop_agent(each)

    def kill(self, each: Process, number: int = signal.SIGKILL) -> None:
        """Send the server a signal; for SIGKILL and SIGTERM wait for its end."""
        assert each.process
        self._signal(each.process, number)
        if number in (signal.SIGKILL, signal.SIGTERM):
            each.process.wait(20)
            each.process = None

    def _signal(self, process: subprocess.Popen[bytes], number: int) -> None:
        """With encryption a Sentinel has its script above it, and a container would end them both."""
        (os.killpg if self.tls else os.kill)(process.pid, number)

    def stop(self, each: Process) -> None:
        """As a pod is deleted: handover, then SIGTERM."""
        self.stop_agent(each)
        self.kill(each, signal.SIGTERM)

    def power_cut(self) -> None:
        """Every process at once, agents included."""
        for each in self.everything:
            if each.process:
                self._signal(each.process, signal.SIGKILL)
        for each in self.everything:
            if each.process:
                each.process.wait(20)
                each.process = None
        with ThreadPoolExecutor() as pool:  # each may take half a second to notice
            list(pool.map(self.stop_agent_roughly, self.members))

    def lose_volume(self, each: Process) -> None:
        shutil.rmtree(each.folder / "data")
        (each.folder / "data").mkdir()

    def close(self) -> None:
        self.power_cut()

    def client(self, each: Process, key: str = "app", **options: Any) -> Redis:
        port = 6379 if each in self.members else 26379
        user = {"app": "default", "sentinel": "default"}.get(key, key)
        return Redis(
            host=each.pod.host, port=port, username=user, password=self.passwords[key], protocol=2,
            socket_timeout=2, socket_connect_timeout=1, decode_responses=True,
            retry=Retry(NoBackoff(), 0), **redis_options(self.ca_file()), **options,
        )  # fmt: skip

    def roles(self) -> dict[str, str]:
        found: dict[str, str] = {}
        for each in self.members:
            try:
                role = self.client(each).execute_command("ROLE")
                found[each.pod.name] = role[0] if role[0] == "master" else f"{role[0]} of {role[1]} {role[3]}"
            except (RedisError, OSError) as error:
                found[each.pod.name] = type(error).__name__
        return found

    def named(self) -> list[str]:
        found: list[str] = []
        for each in self.sentinels:
            try:
                address = self.client(each, "sentinel").execute_command(
                    "SENTINEL", "GET-MASTER-ADDR-BY-NAME", MASTER
                )
                found.append(next(m.pod.name for m in self.members if m.pod.host == address[0]))
            except (RedisError, OSError) as error:
                found.append(type(error).__name__)
        return found

    def whole(self) -> str | None:
        """The primary's name when the set is whole: one primary that all name, all others linked to it."""
        named = set(self.named())
        roles = self.roles()
        masters = [name for name, role in roles.items() if role == "master"]
        if len(named) != 1 or masters != list(named):
            return None
        host = next(each.pod.host for each in self.members if each.pod.name == masters[0])
        others = [role for name, role in roles.items() if name != masters[0]]
        return masters[0] if all(role == f"slave of {host} connected" for role in others) else None

    def wait_whole(self, seconds: float = 30) -> Process:
        name = wait_for(self.whole, seconds, lambda: f"named {self.named()}, roles {self.roles()}")
        return next(each for each in self.members if each.pod.name == name)


def free_net(first: int) -> int:
    """A number N, `first` or above, at whose addresses 127.N.x.x nobody listens.

    Another checkout may be under test here, or a run that was killed has left servers.
    """

    def taken(net: int) -> bool:
        hosts = [
            (f"127.{net}.{part}.{n}", port) for part, port in ((0, 6379), (1, 26379)) for n in range(1, 6)
        ]
        return any(_listens(host) for host in hosts)

    return next(net for net in range(first, 255, 8) if not taken(net))


def _listens(address: tuple[str, int]) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(address) == 0


def wait_for(condition: Callable[[], Any], seconds: float, seen: Callable[[], str]) -> Any:
    deadline = time.monotonic() + seconds
    while not (found := condition()):
        assert time.monotonic() < deadline, f"not in {seconds} s; last seen: {seen()}"
        time.sleep(0.05)
    return found
