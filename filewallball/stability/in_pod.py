"""A stack's cache or session set as a target, from what the checks' pod is told of it."""

from __future__ import annotations

from facts.checks import USER
from facts.checks.redis import RedisTarget
from facts.checks.valkey import ValkeyTarget
from filewallball.checks import config
from filewallball.checks.config import read_secret
from filewallball.errors import ConfigError
from filewallball.snapshots.settings import Address
from filewallball.stability.targets import Access, Target

PARTS = ("redis", "valkey")
"""The cache, and the session set."""


def target_of(part: str) -> Target:
    """Raises ConfigError if the stack has no such part."""
    stack = config.load()
    if part == "redis":
        cache = stack[RedisTarget]
        access = Access(
            USER, read_secret(cache.password_file), tls=bool(cache.ca_file), ca_file=cache.ca_file
        )
        return Target(part, "the stack", (Address(cache.host, cache.port),), access)
    if part != "valkey":
        raise ConfigError(f"A stack has no {part}", f"Name one of its parts: {', '.join(PARTS)}.")
    found = stack[ValkeyTarget]
    password = read_secret(found.checks_password_file)
    access = Access(
        USER, password, USER, password, tls=bool(found.ca_file), ca_file=found.ca_file, master=found.master
    )
    return Target(part, "the stack", tuple(map(_address, found.sentinels)), access)


def _address(text: str) -> Address:
    host, _, port = text.rpartition(":")
    return Address(host, int(port))
