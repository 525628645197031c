"""Who belongs to the set and where: from the environment that Kubernetes gives to each container.

Addresses are those of the pods' own Services. They stay while pods come and go, and need no name resolution.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from facts.pods import password_key, secret_folder
from facts.tls import CA
from facts.tls import Variables as Tls
from facts.valkey import (
    AGENT_PORT as AGENT_PORT,
)
from facts.valkey import (
    CREDENTIALS,
    NAME,
    RUN_PATH,
    SENTINEL,
    Variables,
    address_variable,
    pods_of,
)
from facts.valkey import (
    PORT as PORT,
)
from facts.valkey import (
    SENTINEL_PORT as SENTINEL_PORT,
)
from filewallball.encryption import redis_options
from filewallball.errors import ConfigError
from filewallball.guard.passwords import Login, Secret

SECRETS = Path(secret_folder(CREDENTIALS))
RUN = Path(RUN_PATH)


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
    run: Path = RUN
    secrets: Path = SECRETS
    """The folder with the files of the Secret."""
    bind: str = "* -::*"
    """What an open server listens on, as its `bind` wants it."""
    connections: int = 1000
    """How many of each server's and each Sentinel's connections applications may have."""
    tls: Path | None = None
    """The folder with the own server's certificate. None: connections are plain."""

    @property
    def encryption(self) -> dict[str, Any]:
        """What clients of other pods take."""
        return redis_options(str(self.tls / CA) if self.tls else None)

    @property
    def peers(self) -> tuple[Pod, ...]:
        return tuple(pod for pod in self.members if pod.name != self.me.name)

    @property
    def majority(self) -> int:
        """Sentinels that must agree before anything is done in their name."""
        return max(len(self.sentinels) // 2 + 1, self.quorum)

    def login(self, user: str) -> Login:
        """The user's password of now, whenever a connection is made."""
        return Login(Secret(self.secrets), user)

    def member(self, host: str) -> Pod | None:
        """The member with this address; None for an address of no member."""
        return next((pod for pod in self.members if pod.host == host), None)

    def named(self, name: str) -> Pod:
        return next(pod for pod in self.members if pod.name == name)


def from_environment(environment: Mapping[str, str], secrets: Path = SECRETS) -> Layout:
    """The layout of this container's set. Raises ConfigError with the variable or file that is missing."""
    for user in ("agent", "peer"):
        _check_secret(secrets / password_key(user))
    members = _pods(environment, NAME, _number(environment, Variables.MEMBERS))
    name = _value(environment, Variables.POD)
    me = next((pod for pod in members if pod.name == name), None)
    if me is None:
        raise ConfigError(
            f"{Variables.POD} is {name}, which is none of the {len(members)} members", "Run `fwb up`."
        )
    return Layout(
        me,
        members,
        _pods(environment, SENTINEL, _number(environment, Variables.SENTINELS)),
        _value(environment, Variables.MASTER),
        _number(environment, Variables.QUORUM),
        secrets=secrets,
        connections=_number(environment, Variables.MAX_CONNECTIONS),
        tls=Path(environment[Tls.FOLDER]) if environment.get(Tls.FOLDER) else None,
    )


def _pods(environment: Mapping[str, str], prefix: str, count: int) -> tuple[Pod, ...]:
    return tuple(Pod(name, _value(environment, address_variable(name))) for name in pods_of(prefix, count))


def _value(environment: Mapping[str, str], name: str) -> str:
    if value := environment.get(name):
        return value
    raise ConfigError(
        f"{name} isn't set",
        "Run `fwb up`, which sets it. If it belongs to a Service that is younger than this container, restart"
        " the pod.",
    )


def _number(environment: Mapping[str, str], name: str) -> int:
    value = _value(environment, name)
    if not value.isdecimal() or int(value) < 1:
        raise ConfigError(f"{name} is {value!r}", "Set it to a whole number above 0.")
    return int(value)


def _check_secret(path: Path) -> None:
    try:
        path.read_bytes()
    except OSError as error:
        raise ConfigError(
            f"Cannot read {path}: {error.strerror}", "Run `fwb up`, which mounts it."
        ) from error
