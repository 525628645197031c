"""A key is written, read and deleted on every shard. It lies under a prefix of its own, and would expire."""

from __future__ import annotations

import secrets
from typing import Any

from redis.crc import key_slot
from redis.exceptions import RedisError

from filewallball.errors import UserError
from filewallball.stability import servers
from filewallball.stability.targets import Target
from filewallball.stability.topology import Deployment, Shard

PREFIX = "fwb:check:stability:"
TTL_SECONDS = 60


def tag_of(shard: Shard) -> str:
    """A hash tag whose slot the shard has. Raises ValueError for a shard without slots."""
    if not shard.slots:
        raise ValueError("the shard has no slots")
    number = 0
    while True:
        slot = key_slot(str(number).encode())
        if any(first <= slot <= last for first, last in shard.slots):
            return str(number)
        number += 1


def key_of(deployment: Deployment, shard: Shard, name: str) -> str:
    """A key of ours on this shard."""
    return f"{PREFIX}{{{tag_of(shard)}}}:{name}" if deployment.kind == "cluster" else f"{PREFIX}{name}"


def prove(target: Target, deployment: Deployment) -> list[str]:
    """What went wrong, one line for each shard that failed."""
    wrong: list[str] = []
    for shard in deployment.shards:
        if deployment.kind == "cluster" and not shard.slots:
            continue
        if shard.primary.fault:
            wrong.append(f"{shard.primary.address} {shard.primary.fault}")
            continue
        try:
            with servers.asked(target, shard.primary.address) as client:
                why = _proven(client, key_of(deployment, shard, secrets.token_hex(8)))
        except UserError as error:
            why = error.message
            wrong.append(why)
            continue
        if why:
            wrong.append(f"{shard.primary.address}: {why}")
    return wrong


def _proven(client: Any, key: str) -> str:
    value = secrets.token_bytes(32)
    try:
        client.execute_command("SET", key, value, "EX", TTL_SECONDS)
        read = client.execute_command("GET", key)
        if read != value:
            return f"{key} was written, and another value was read"
        if client.execute_command("DEL", key) != 1:
            return f"{key} was written, and it was not there to be deleted"
        if client.execute_command("GET", key) is not None:
            return f"{key} is still there after its deletion"
    except RedisError as error:
        if type(error).__name__ in ("ConnectionError", "TimeoutError"):
            raise
        return str(error)
    return ""
