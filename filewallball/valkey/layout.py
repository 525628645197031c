"""Who belongs to the set and where: from the environment that Kubernetes gives to each container.

Addresses are those of the pods' own Services. They stay while pods come and go, and need no name resolution.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from filewallball.errors import ConfigError

PORT = 6379
SENTINEL_PORT = 26379
AGENT_PORT = 8080
SECRETS = Path("/secrets/valkey-credentials")
RUN = Path("/run/valkey")


@dataclass(frozen=True, slots=True)
class Pod:
    """A pod of the set; `host` is its Service's address."""

    name: str
    host: str

    @property
    def identity(self) -> str:
        """40 hex digits, as Sentinels know each other by; sentinel-start.sh computes the same."""
        return hashlib.sha1(self.name.encode()).hexdigest()  # noqa: S324 - a name, not a secret


@dataclass(frozen=True, slots=True)
class Layout:
    """The set as one member sees it."""

    me: Pod
    members: tuple[Pod, ...]
    sentinels: tuple[Pod, ...]
    master: str
    quorum: int
    agent_password: str
    peer_password: str
    run: Path = RUN
    bind: str = "* -::*"
    """What an open server listens on, as its `bind` wants it."""

    @property
    def peers(self) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.members if pod.name != self.me.name)

    @property
    def majority(self) -> int:
        """Sentinels that must agree before anything is done in their name."""
        return max(len(self.sentinels) // 2 + 1, self.quorum)

    def member(self, host: str) -> Pod | None:
        """The member with this address; None for an address of no member."""
        return next((pod for pod in self.members if pod.host == host), None)

    def named(self, name: str) -> Pod:
        return next(pod for pod in self.members if pod.name == name)


def from_environment(environment: Mapping[str, str], secrets: Path = SECRETS) -> Layout:
    """The layout of this container's set. Raises ConfigError with the variable or file that is missing."""
    members = _pods(environment, "valkey", _number(environment, "FWB_MEMBERS"))
    name = _value(environment, "POD_NAME")
    me = next((pod for pod in members if pod.name == name), None)
    if me is None:
        raise ConfigError(f"POD_NAME is {name}, which is none of the {len(members)} members")
    return Layout(
        me,
        members,
        _pods(environment, "valkey-sentinel", _number(environment, "FWB_SENTINELS")),
        _value(environment, "FWB_MASTER_NAME"),
        _number(environment, "FWB_QUORUM"),
        _secret(secrets / "agent-password"),
        _secret(secrets / "peer-password"),
    )


def _pods(environment: Mapping[str, str], prefix: str, count: int) -> tuple[Pod, ...]:
    names = [f"{prefix}-{ordinal}" for ordinal in range(count)]
    variables = [f"{name.upper().replace('-', '_')}_SERVICE_HOST" for name in names]
    return tuple(
        Pod(name, _value(environment, variable)) for name, variable in zip(names, variables, strict=True)
    )


def _value(environment: Mapping[str, str], name: str) -> str:
    if value := environment.get(name):
        return value
    raise ConfigError(
        f"{name} isn't set",
        "components/valkey.py sets it, or the Service of that name does: one that is younger than this"
        " container is seen after a restart",
    )


def _number(environment: Mapping[str, str], name: str) -> int:
    value = _value(environment, name)
    if not value.isdecimal() or int(value) < 1:
        raise ConfigError(f"{name} is {value!r}", "it must be a whole number above 0")
    return int(value)


def _secret(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8").rstrip("\n")
    except OSError as error:
        raise ConfigError(f"cannot read {path}: {error.strerror}") from error
