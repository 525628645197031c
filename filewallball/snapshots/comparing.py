"""Comparing what a session server has staged with the snapshot in the throw-away server, key by key."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from filewallball.snapshots.throwaway import Key, Throwaway

_CLOCK_MS = 2000
"""Clocks of nodes differ a little, and a key may expire between two looks."""
_NO_KEY = -2
"""PEXPIRETIME's answer for a key that doesn't exist."""


@dataclass
class Compared:
    """How a server's keys compare with the snapshot's."""

    equal: int = 0
    expired: int = 0
    missing: int = 0
    differing: int = 0


def compare(copy: Throwaway, number: int, group: Sequence[Key], clients: dict[Any, Compared]) -> None:
    """Add up how the keys of a group compare on each server. Raises UserError, RedisError.

    `clients`: connections to the database where the servers have staged the snapshot's database `number`.
    """
    if group[0].large:
        _compare_pieces(copy, number, group[0], clients)
        return
    dumps = copy.dumps(number, group)
    for client, found in clients.items():
        _compare_group(copy, number, group, dumps, client, found)


def _compare_pieces(copy: Throwaway, number: int, key: Key, clients: dict[Any, Compared]) -> None:
    expires = {client: client.execute_command("PEXPIRETIME", key.name) for client in clients}
    same = {client: _time(expires[client]) == key.expires for client in clients}
    for piece in copy.pieces(number, key):
        if piece.ask:
            wanted = copy.answer(number, piece.ask)
            for client in clients:
                same[client] &= client.execute_command(*piece.ask) == wanted
    for client, found in clients.items():
        if same[client]:
            found.equal += 1
        elif _is_over(key):
            found.expired += 1
        elif expires[client] == _NO_KEY:
            found.missing += 1
        else:
            found.differing += 1


def _compare_group(
    copy: Throwaway, number: int, group: Sequence[Key], dumps: Sequence[bytes], client: Any, found: Compared
) -> None:
    pipeline = client.pipeline(transaction=False)
    for key in group:
        pipeline.execute_command("PEXPIRETIME", key.name)
        pipeline.execute_command("DUMP", key.name)
    answers = pipeline.execute()
    others: list[tuple[Key, bytes, int | None]] = []
    for key, dump, there, answer in zip(group, dumps, answers[1::2], answers[::2], strict=True):
        expires = _time(answer)
        if there == dump and expires == key.expires:
            found.equal += 1
        elif there is not None:
            others.append((key, there, expires))
        elif _is_over(key):
            found.expired += 1
        else:
            found.missing += 1
    # Equal hashes and sets may lie in another order: then their digests tell.
    here = copy.values_summed(number, [key for key, _, _ in others])
    copied = copy.summed_up([(there, expires) for _, there, expires in others])
    for (key, _, expires), one, other in zip(others, here, copied, strict=True):
        if one == other and key.expires == expires:
            found.equal += 1
        else:
            found.differing += 1


def _time(answer: int) -> int | None:
    return answer if answer >= 0 else None


def _is_over(key: Key) -> bool:
    return key.expires is not None and key.expires <= time.time() * 1000 + _CLOCK_MS
