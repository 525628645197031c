"""A session set without servers: what each would answer, to be changed by a test."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import pytest
from redis import exceptions
from test_checks_config import document

from facts.checks.valkey import ValkeyTarget
from filewallball.checks import config, runner
from filewallball.checks.result import Result
from filewallball.checks.suites import ALL, valkey_access, valkey_nodes
from filewallball.checks.suites.valkey_nodes import Login, Node

CONF = 'bind ""\nreplicaof 127.0.0.1 1\nport 6379\nmaxmemory 256mb\nsave 900 1\n'
LIVE = {"port": "6379", "maxmemory": "268435456", "save": "900 1", "bind": "* -::*"}
PASSWORDS = {"app": "app-pw", "sentinel": "sentinel-pw", "checks": "checks-pw"}


@dataclass
class Server:
    """A member or a Sentinel. `error` is what it says to everything; `grants` what applications may do."""

    name: str
    ip: str
    error: Exception | None = None
    open_to: set[str | None] = field(default_factory=set)
    grants: set[str] = field(default_factory=set)
    asked: list[tuple[Any, ...]] = field(default_factory=list)
    applications: int = 3

    def reply(self, login: Login, *words: Any) -> Any:
        self.asked.append(words)
        if self.error:
            raise self.error
        right = {("checks", PASSWORDS["checks"]), ("default", self.application)}
        if (login.user, login.password) not in right and login.password not in self.open_to:
            raise exceptions.AuthenticationError("NOAUTH")
        forbidden = (*valkey_access.MEMBER_FORBIDDEN, *valkey_access.SENTINEL_FORBIDDEN)
        if login.user == "default" and words in forbidden:
            if words[0] not in self.grants:
                raise exceptions.NoPermissionError(f"NOPERM to run {words[0]}")
            raise exceptions.ResponseError("ERR syntax error")
        return getattr(self, "do_" + "_".join(self.verb(words)).lower().replace("-", "_"))(*words)

    @property
    def application(self) -> str:
        return PASSWORDS["app"]

    def verb(self, words: tuple[Any, ...]) -> tuple[str, ...]:
        return words[:1]

    def do_ping(self, *_: Any) -> str:
        return "PONG"

    def do_client(self, *_: Any) -> str:
        own = ["checks", "peer"] if isinstance(self, Sentinel) else ["checks", "agent", "watch"]
        users = ["default"] * self.applications + own
        return "".join(
            f"id={number} addr=10.1.0.1:5 laddr={self.ip}:1 fd=9 name= age=7 idle=7 flags=N db=0 sub=0"
            f" argv-mem=0 tot-mem=22296 events=r cmd=get user={user} redir=-1 resp=2 lib-name= lib-ver=\n"
            for number, user in enumerate(users)
        )

    do_client_list = do_client


@dataclass
class Member(Server):
    """`late` is how often a key is asked for in vain before it is there; None: it never comes."""

    role: str = "slave"
    source: Member | None = None
    replication: dict[str, str] = field(default_factory=dict)
    persistence: dict[str, str] = field(default_factory=lambda: dict.fromkeys(_SAVES, "ok"))
    conf: dict[str, str] = field(default_factory=lambda: dict(LIVE))
    data: dict[str, str] = field(default_factory=dict)
    epoch: str | None = "4"
    late: int | None = 0
    ttl: int = 60_000
    acknowledged: int = 2
    read_only: bool = True
    refuses: Exception | None = None

    def do_role(self, *_: Any) -> list[str]:
        return [self.role]

    def do_info(self, _info: str, section: str) -> str:
        found = self.persistence if section == "persistence" else {"role": self.role, **self.replication}
        return "# Section\r\n" + "".join(f"{name}:{value}\r\n" for name, value in found.items())

    def do_config(self, *_: Any) -> list[str]:
        source = f"{self.source.ip} 6379" if self.source else ""
        live = {"replica-announce-ip": self.ip, "replicaof": source, **self.conf}
        return [word for pair in live.items() for word in pair]

    def do_select(self, *_: Any) -> str:
        return "OK"

    def do_hmget(self, *_: Any) -> list[str | None]:
        return [self.epoch]

    def do_set(self, _set: str, key: str, value: str, *_: Any) -> str:
        if self.refuses:
            raise self.refuses
        if self.source and self.read_only:
            raise exceptions.ReadOnlyError("READONLY")
        self.data[key] = value
        return "OK"

    def do_get(self, _get: str, key: str) -> str | None:
        if self.source and key in self.source.data:
            if self.late:
                self.late -= 1
            if self.late or self.late is None:
                return None
        return (self.source or self).data.get(key)

    def do_pttl(self, *_: Any) -> int:
        return self.ttl

    def do_wait(self, *_: Any) -> int:
        return self.acknowledged

    def do_del(self, _del: str, *keys: str) -> int:
        return sum(self.data.pop(key, None) is not None for key in keys)

    do_unlink = do_del


_SAVES = ("rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status")


@dataclass
class Sentinel(Server):
    ckquorum: str = "OK 5 usable Sentinels. Quorum and failover authorization can be reached"
    named: str = ""
    master: dict[str, str] = field(default_factory=dict)
    replicas: list[str] = field(default_factory=list)
    flags: dict[str, str] = field(default_factory=dict)
    sentinels: list[str] = field(default_factory=list)

    @property
    def application(self) -> str:
        return PASSWORDS["sentinel"]

    def verb(self, words: tuple[Any, ...]) -> tuple[str, ...]:
        return words[:2]

    def do_sentinel_ckquorum(self, *_: Any) -> str:
        if not self.ckquorum.startswith("OK"):
            raise exceptions.ResponseError(self.ckquorum)
        return self.ckquorum

    def do_sentinel_get_master_addr_by_name(self, *_: Any) -> list[str]:
        return self.named.split(":")

    def do_sentinel_master(self, *_: Any) -> list[str]:
        return [word for pair in self.master.items() for word in pair]

    def do_sentinel_replicas(self, *_: Any) -> list[list[str]]:
        return [
            ["ip", one.split(":")[0], "port", one.split(":")[1], "flags", self.flags.get(one, "slave")]
            for one in self.replicas
        ]

    def do_sentinel_sentinels(self, *_: Any) -> list[list[str]]:
        return [["ip", one.split(":")[0], "port", one.split(":")[1]] for one in self.sentinels]


class FakeSet:
    """valkey-0 is the primary of valkey-1 and valkey-2, as five Sentinels say; `check(name)` runs a check."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, folder: Path) -> None:
        self.members = [Member(f"valkey-{n}", f"10.0.0.{n}") for n in range(3)]
        self.sentinels = [Sentinel(f"valkey-sentinel-{n}", f"10.0.1.{n}") for n in range(5)]
        self.reads = Member("valkey-read", "10.0.2.0")
        self.follow(0)
        self.name(0, self.sentinels)
        raw = document()
        raw["valkey"] |= {"reads": "valkey-read:6379", "settle_seconds": 0, "max_lag_seconds": 0.2}
        for key, password in PASSWORDS.items():
            (folder / key).write_text(password)
            raw["valkey"][f"{key}_password_file"] = str(folder / key)
        (folder / "valkey.conf").write_text(CONF)
        raw["valkey"]["conf"] = str(folder / "valkey.conf")
        self.config = config.parse(json.dumps(raw))
        monkeypatch.setattr(valkey_nodes, "resolve", self._resolve)
        monkeypatch.setattr(valkey_nodes, "connect", self._connect)
        monkeypatch.setattr(valkey_nodes, "PATIENCE", valkey_nodes.Patience())

    def follow(self, primary: int) -> None:
        head = self.members[primary]
        head.role, head.source = "master", None
        others = [member for member in self.members if member is not head]
        head.replication = {
            f"slave{n}": f"ip={one.ip},port=6379,state=online,offset=1,lag=0" for n, one in enumerate(others)
        }
        for member in [*others, self.reads]:
            member.source = head
            member.replication = {
                "master_host": head.ip,
                "master_port": "6379",
                "master_link_status": "up",
                "master_sync_in_progress": "0",
            }

    def name(self, primary: int, sentinels: list[Sentinel], epoch: int = 4) -> None:
        everyone = [f"{one.ip}:26379" for one in self.sentinels]
        for one in sentinels:
            one.named = f"{self.members[primary].ip}:6379"
            one.replicas = [f"{each.ip}:6379" for n, each in enumerate(self.members) if n != primary]
            one.sentinels = [each for each in everyone if each != f"{one.ip}:26379"]
            one.master = {
                "flags": "master",
                "config-epoch": str(epoch),
                "quorum": "3",
                "down-after-milliseconds": "1000",
                "failover-timeout": "5000",
                "parallel-syncs": "3",
            }

    def _servers(self) -> list[Server]:
        return [*self.members, *self.sentinels, self.reads]

    def _resolve(self, host: str) -> str:
        for server in self._servers():
            if server.name == host:
                return server.ip
        raise OSError(-2, "Name or service not known")

    def _connect(self, node: Node, login: Login) -> Any:
        [server] = [one for one in self._servers() if one.ip == node.ip]
        return _Connection(server, login)

    def check(self, name: str, change: Callable[[ValkeyTarget], ValkeyTarget] | None = None):
        target = self.config[ValkeyTarget] if change is None else change(self.config[ValkeyTarget])
        [check] = [one for one in ALL if one.name == name]
        return runner.run_one(check, self.config_with(target))

    def config_with(self, target: ValkeyTarget) -> config.ChecksConfig:
        """The checks' configuration with another target."""
        others = [each for each in self.config.sections if not isinstance(each, ValkeyTarget)]
        return replace(self.config, sections=(*others, target))

    def fails(self, name: str) -> Result:
        result = self.check(name)
        assert result.status == "failed", result
        assert result.expected
        assert result.hint
        return result


class _Connection:
    def __init__(self, server: Server, login: Login) -> None:
        self._server, self._login = server, login

    def call(self, *words: Any) -> Any:
        return self._server.reply(self._login, *words)

    def close(self) -> None:
        pass
