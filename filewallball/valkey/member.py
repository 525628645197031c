"""One member's server: what it says of itself, and the few commands that put it in its place."""

from __future__ import annotations

import socket
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import BusyLoadingError, ConnectionError, RedisError
from redis.retry import Retry

from facts.valkey import CLOCK, CLOCK_DB
from filewallball.valkey.layout import PORT, Layout, Pod

NOWHERE = ("127.0.0.1", 1)
"""What a member without a place yet replicates from. valkey.conf has the same address."""
TIMEOUT = 0.5
"""Seconds for one connection or answer."""

Role = Literal["primary", "replica", "closed", "loading", "stuck", "down"]


@dataclass(frozen=True, slots=True)
class View:
    """What is known of a member. `epoch`, `tick` and `offset` order members by the age of their data.

    `role`: `closed` is a replica of nothing; `stuck` takes connections but doesn't answer; `down` neither.
    """

    name: str
    role: Role
    open: bool = False
    """Whether it listens for anyone but its agent."""
    source: str = ""
    """Address of the member that it replicates."""
    linked: bool = False
    """Whether the link to its source is up and the first copy complete."""
    epoch: int = 0
    """The epoch of the last primary whose data it has."""
    tick: int = 0
    """Seconds that primaries have counted in these data."""
    offset: int = 0
    """Bytes of the replication stream; comparable within an epoch."""
    uptime: int = 0
    """Seconds."""

    @property
    def freshness(self) -> tuple[int, int, int]:
        return self.epoch, self.tick, self.offset

    @property
    def told(self) -> bool:
        """Whether it says how fresh its data are. A server that is down, stuck or loading can't tell."""
        return self.role in ("primary", "replica", "closed")

    @property
    def serving(self) -> bool:
        return self.role == "primary" and self.open

    @property
    def ready_to_lead(self) -> bool:
        """A live copy of a primary's data, taken up to the moment in which that one was lost."""
        return self.role == "replica" and self.open

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)


class Server:
    """A member's server, over its socket (the own one) or by address. Errors are RedisError or OSError."""

    def __init__(self, layout: Layout, pod: Pod) -> None:
        self.pod = pod
        self._layout = layout
        where: dict[str, Any] = (
            {"unix_socket_path": str(layout.run / "valkey.sock")}
            if pod == layout.me
            else {"host": pod.host, "port": PORT, **layout.encryption}
        )
        place: dict[str, Any] = {
            "credential_provider": layout.login("agent"),
            "socket_timeout": TIMEOUT,
            "socket_connect_timeout": TIMEOUT,
            "decode_responses": True,
            "protocol": 2,
            # A connection that somebody's CLIENT KILL has ended says nothing of the server: try another.
            "retry": Retry(NoBackoff(), 1, supported_errors=(ConnectionError,)),
            **where,
        }
        # redis-py's methods are typed for all protocols at once, which no strict checker can follow
        self._client: Any = Redis(**place)
        self._clock: Any = Redis(db=CLOCK_DB, **place)

    def call(self, *arguments: object) -> Any:
        return self._client.execute_command(*arguments)

    def view(self) -> View:
        """What it says now; never raises for a server that is down, stuck or loading."""
        try:
            pipeline = self._client.pipeline(transaction=False)
            pipeline.execute_command("INFO", "server", "replication", "persistence")
            pipeline.execute_command("CONFIG GET", "bind")
            info, bind = cast("tuple[dict[str, Any], dict[str, str]]", pipeline.execute())
            if info.get("loading"):
                return View(self.pod.name, "loading")
            epoch, tick = self._read_clock()
        except BusyLoadingError:
            return View(self.pod.name, "loading")
        except (RedisError, OSError):
            # One that is full of clients, or knows other passwords, refuses us but lives.
            return View(self.pod.name, "stuck" if self._listens() else "down")
        source = (str(info.get("master_host", "")), info.get("master_port"))
        role: Role = "primary" if info["role"] == "master" else "closed" if source == NOWHERE else "replica"
        return View(
            self.pod.name,
            role,
            open=bool(bind["bind"]),
            source=source[0] if role == "replica" else "",
            linked=info.get("master_link_status") == "up" and not info.get("master_sync_in_progress"),
            epoch=epoch,
            tick=tick,
            offset=max(int(info["master_repl_offset"]), int(info.get("slave_repl_offset", 0))),
            uptime=int(info["uptime_in_seconds"]),
        )

    def _listens(self) -> bool:
        unix = self.pod == self._layout.me
        try:
            with socket.socket(socket.AF_UNIX if unix else _family(self.pod.host)) as probe:
                probe.settimeout(TIMEOUT)
                probe.connect(str(self._layout.run / "valkey.sock") if unix else (self.pod.host, PORT))
        except TimeoutError:
            return True
        except OSError:
            return False
        return True

    def _read_clock(self) -> tuple[int, int]:
        epoch, tick = cast("list[str | None]", self._clock.hmget(CLOCK, ["epoch", "tick"]))
        return int(epoch or 0), int(tick or 0)

    def set_clock(self, epoch: int, tick: int) -> None:
        """Say whose data these are, and how old; the replicas follow, and so do files on disk."""
        self._clock.hset(CLOCK, mapping={"epoch": epoch, "tick": tick})

    def offset(self) -> int:
        """The replication offset, for a primary and a replica alike."""
        info = self.call("INFO", "replication")
        return int(info.get("slave_repl_offset", info["master_repl_offset"]))

    def replicas_online(self) -> int:
        info = self.call("INFO", "replication")
        states = [
            value["state"] for key, value in info.items() if key.startswith("slave") and key[5:].isdigit()
        ]
        return states.count("online")

    def acknowledged(self) -> tuple[int, dict[str, int]]:
        """Of a primary: its replication offset, and the one that each replica acknowledged, by address."""
        info = self.call("INFO", "replication")
        replicas = [value for key, value in info.items() if key.startswith("slave") and key[5:].isdigit()]
        online = {str(each["ip"]): int(each["offset"]) for each in replicas if each["state"] == "online"}
        return int(info["master_repl_offset"]), online

    def open(self) -> None:
        self.call("CONFIG SET", "bind", self._layout.bind)

    def close(self) -> None:
        """Let nobody in any more, and end the connections that there are, the Sentinels' among them."""
        self.call("CONFIG SET", "bind", "")
        self.disconnect_clients()

    def disconnect_clients(self) -> None:
        for kind in ("normal", "pubsub"):
            self.call("CLIENT KILL", "TYPE", kind, "SKIPME", "yes")

    def lead(self) -> None:
        self.call("REPLICAOF", "NO", "ONE")

    def follow(self, source: Pod) -> None:
        self.call("REPLICAOF", source.host, PORT)

    def set_append_only(self) -> None:
        """Switch the AOF to what the settings declare; start.sh may have had to start otherwise."""
        wanted = (self._layout.run / "appendonly").read_text(encoding="utf-8").strip()
        if self.call("CONFIG GET", "appendonly")["appendonly"] != wanted:
            self.call("CONFIG SET", "appendonly", wanted)

    @contextmanager
    def writes_paused(self, seconds: float) -> Generator[None]:
        """Writes wait meanwhile, at most `seconds`; nothing is refused."""
        self.call("CLIENT PAUSE", int(seconds * 1000), "WRITE")
        try:
            yield
        finally:
            self.call("CLIENT UNPAUSE")


def _family(host: str) -> socket.AddressFamily:
    return socket.AF_INET6 if ":" in host else socket.AF_INET


def wait_until(condition: Callable[[], object], seconds: float, every: float = 0.002) -> bool:
    """Poll `condition` until it holds; False if it doesn't in time."""
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            return False
        time.sleep(every)
    return True
