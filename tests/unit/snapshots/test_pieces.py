"""How a large key is written in pieces: no argument is larger than one, and nothing is left out."""

from __future__ import annotations

from typing import Any

import pytest

from filewallball.snapshots.pieces import PIECE, Command, pieces

LARGE = b"0123456789abcdef" * (PIECE // 16) + b"the end"


class Source:
    """Answers of a server that holds one key."""

    def __init__(self, kind: str, **answers: Any) -> None:
        self.answers: dict[str, Any] = {"TYPE": kind.encode(), **answers}

    def __call__(self, command: str, _name: bytes, *words: Any) -> Any:
        answer = self.answers[command]
        return answer(*words) if callable(answer) else answer


def commands(source: Source, memory: int = 10 * PIECE) -> list[Command]:
    return [command for piece in pieces(source, b"key", memory) for command in piece.write]


def joined(found: list[Command]) -> list[Command]:
    """What the commands amount to, with the words that were carried in parts put together."""
    parts: dict[bytes, bytes] = {}
    whole: list[Command] = []
    for name, *words in found:
        if name == "RPUSH" and words[0].startswith(b"fwb:part:"):
            parts[words[0]] = parts.get(words[0], b"") + words[1]
        elif name == "EVAL":
            count = words[1]
            keys, places, command = (
                words[2 : 2 + count],
                words[2 + count : 2 + 2 * count],
                words[2 + 2 * count :],
            )
            for key, place in zip(keys, places, strict=True):
                command[place - 1] = parts.pop(key)
            whole.append(tuple(command))
        else:
            whole.append((name, *words))
    assert not parts
    return whole


def largest(found: list[Command]) -> int:
    return max(len(word) for command in found for word in command if isinstance(word, bytes))


def test_a_string() -> None:
    found = commands(Source("string", STRLEN=len(LARGE), GET=LARGE))
    assert joined(found) == [("SET", b"key", LARGE)]
    assert largest(found) == PIECE


def test_a_hash_with_one_large_value_among_small_ones() -> None:
    flat = [b"a", b"1", b"large", LARGE, b"b", b"2"]
    pages = {b"0": (b"7", flat), b"7": (b"0", [b"c", b"3"])}
    found = commands(Source("hash", HLEN=4, HSCAN=lambda cursor, *_: pages[cursor]))
    assert joined(found) == [
        ("HSET", b"key", b"a", b"1"),
        ("HSET", b"key", b"large", LARGE),
        ("HSET", b"key", b"b", b"2"),
        ("HSET", b"key", b"c", b"3"),
    ]
    assert largest(found) == PIECE


def test_a_list_keeps_its_order() -> None:
    values = [b"%d" % number for number in range(2500)]
    source = Source("list", LLEN=2500, LRANGE=lambda start, stop: values[start : stop + 1])
    found = commands(source, PIECE + 1)
    assert [word for command in found for word in command[2:]] == values
    assert max(len(command) for command in found) <= 1002, "a script takes no more words"


def test_one_element_at_a_time_where_each_is_large() -> None:
    asked: list[tuple[int, int]] = []

    def lrange(start: int, stop: int) -> list[bytes]:
        asked.append((start, stop))
        return [b"x"] * (stop - start + 1)

    commands(Source("list", LLEN=3, LRANGE=lrange), 30 * PIECE)
    assert asked == [(0, 0), (1, 1), (2, 2)]


def test_a_stream_whose_pending_messages_were_deleted() -> None:
    """They are put in their place, claimed, and deleted again; then the counters say what they did."""
    entries = {b"5-1": [b"a", b"b", b"a", b"c"], b"7-1": [b"a", b"d"]}
    about = {b"length": 2, b"entries-added": 4, b"max-deleted-entry-id": b"6-1", b"last-generated-id": b"9-1"}
    about[b"first-entry"] = [b"5-1", entries[b"5-1"]]
    group = {b"name": b"g", b"entries-read": None, b"last-delivered-id": b"7-1"}
    pending = [[b"4-1", b"me", 5, 1], [b"5-1", b"me", 6, 2], [b"6-1", b"you", 7, 3]]

    def xrange(start: bytes, *_: Any) -> list[Any]:
        return [[entry, fields] for entry, fields in entries.items()] if start == b"-" else []

    def run(command: str, *words: Any) -> Any:
        if command == "EVAL":
            start = words[4]
            return (
                [[one, owner, count, one in entries] for one, owner, _, count in pending]
                if start == b"-"
                else []
            )
        answers = {
            "TYPE": b"stream",
            "XINFO": {
                "STREAM": about,
                "GROUPS": [group],
                "CONSUMERS": [{b"name": b"me"}, {b"name": b"you"}],
            }.get(words[0]),
            "XRANGE": xrange(*words[1:]) if command == "XRANGE" else None,
            "XPENDING": pending if words[2:3] == (b"-",) else [],
        }
        return answers[command]

    found = [command for piece in pieces(run, b"key", 2 * PIECE) for command in piece.write]
    assert [command for command in found if command[0] == "XADD"] == [
        ("XADD", b"key", b"4-1", "x", "x"),
        ("XADD", b"key", b"5-1", b"a", b"b", b"a", b"c"),
        ("XADD", b"key", b"6-1", "x", "x"),
        ("XADD", b"key", b"7-1", b"a", b"d"),
    ]
    claims = [command for command in found if command[0] == "XCLAIM"]
    assert [(command[3], command[5], command[9]) for command in claims] == [
        (b"me", b"4-1", 1), (b"me", b"5-1", 2), (b"you", b"6-1", 3),
    ]  # fmt: skip
    assert found[-3:] == [
        ("XDEL", b"key", b"6-1"),
        ("XTRIM", b"key", "MAXLEN", "=", 2),
        ("XSETID", b"key", b"9-1", "ENTRIESADDED", 4, "MAXDELETEDID", b"6-1"),
    ]


@pytest.mark.parametrize("kind", ["string", "hash"])
def test_equal_copies_are_asked_for_a_digest(kind: str) -> None:
    sources = {
        "string": Source("string", STRLEN=len(LARGE), GET=LARGE),
        "hash": Source("hash", HLEN=1, HSCAN=(b"0", [b"a", LARGE])),
    }
    asks = [piece.ask for piece in pieces(sources[kind], b"key", 10 * PIECE)]
    assert all(ask and ask[0] == "EVAL" and "sha1hex" in ask[1] for ask in asks)
    assert max(len(word) for ask in asks if ask for word in ask if isinstance(word, bytes)) < PIECE
