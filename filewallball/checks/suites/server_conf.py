"""redis.conf or valkey.conf against what the server says it runs with.

The two write the same thing in different ways: 256mb and 268435456, several `save` lines and one answer,
`replica` and its old name `slave`. Everything is brought to one form before it is compared.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from facts.units import MEMORY_UNITS
from filewallball.errors import ConfigError, UserError

_SECRET = frozenset(
    {"requirepass", "masterauth", "primaryauth", "tls-key-file-pass", "tls-client-key-file-pass"}
)
_NOT_ASKABLE = frozenset({"include", "user", "loadmodule", "rename-command"})
"""Directives that CONFIG GET cannot answer for."""
_OUTPUT_LIMITS = "client-output-buffer-limit"
_ADDING_UP = frozenset({"save", _OUTPUT_LIMITS})
"""Directives whose lines add up; of any other one, the last line holds."""
_ESCAPES = {"n": "\n", "r": "\r", "t": "\t", "b": "\b", "a": "\a"}


@dataclass(frozen=True, slots=True)
class Difference:
    """A directive that the server does not run with as declared."""

    directive: str
    declared: str
    live: str
    file: str

    def __str__(self) -> str:
        return f"{self.directive} is {self.live}, {self.file} says {self.declared}"


Directives = dict[str, list[list[str]]]


def read(path: str, config_map: str) -> Directives:
    """The directives of the file that the program declares. Raises UserError if it isn't mounted."""
    try:
        return parse(Path(path).read_text(encoding="utf-8"))
    except OSError as error:
        raise UserError(
            f"Cannot read the declared {path}: {error.strerror}",
            f"The ConfigMap {config_map} isn't mounted into the checks' pod. Run `fwb up`, which mounts it.",
        ) from error


def parse(text: str) -> Directives:
    """Directives in lower case, each with the arguments of every line that it stands on."""
    directives: dict[str, list[list[str]]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        if not line.strip() or line.lstrip().startswith("#"):
            continue
        words = split_words(line, number)
        directives.setdefault(words[0].lower(), []).append(words[1:])
    return directives


def split_words(line: str, number: int = 1) -> list[str]:
    """Split a line as Redis does: "…" with escapes, '…' without, anything else up to the next blank."""
    words: list[str] = []
    rest = line.strip()
    while rest:
        match = _WORD.match(rest)
        if match is None:
            raise ConfigError(f"Line {number} of the server's file: unbalanced quotes: {line.strip()[:80]}")
        if match["double"] is not None:
            words.append(_unescape(match["double"]))
        elif match["single"] is not None:
            words.append(match["single"].replace("\\'", "'"))
        else:
            words.append(match["bare"])
        rest = rest[match.end() :].lstrip()
    return words


_WORD = re.compile(
    r"""
    "(?P<double>(?:[^"\\]|\\.)*)"(?=\s|$)
    | '(?P<single>(?:[^'\\]|\\.)*)'(?=\s|$)
    | (?P<bare>[^\s"']+)
    """,
    re.VERBOSE,
)


def _unescape(text: str) -> str:
    def one(match: re.Match[str]) -> str:
        code = match[1]
        return chr(int(code[1:], 16)) if len(code) == 3 else _ESCAPES.get(code, code)

    return re.sub(r"\\(x[0-9a-fA-F]{2}|.)", one, text)


def differences(
    declared: Mapping[str, list[list[str]]], live: Mapping[str, str], file: str
) -> list[Difference]:
    """Every declared directive whose live value is another one, or which the server does not know.

    `live` is the answer to CONFIG GET *, `file` what the declared file is called. Values of secret
    directives are compared, never shown.
    """
    found: list[Difference] = []
    for name, lines in declared.items():
        if name in _NOT_ASKABLE:
            continue
        current = live.get(name)
        if current is None:
            found.append(Difference(name, _text(name, lines), "unknown to the server", file))
        elif not _same(name, lines, current):
            shown = (
                ("(hidden)", "(another one)") if name in _SECRET else (_text(name, lines), current or '""')
            )
            found.append(Difference(name, *shown, file))
    return found


def _text(name: str, lines: list[list[str]]) -> str:
    held = lines if name in _ADDING_UP else lines[-1:]
    return ", ".join(" ".join(word or '""' for word in words) for words in held)


def _same(name: str, lines: list[list[str]], live: str) -> bool:
    if name == "save":
        return _save_points(lines) == live.split()
    if name == _OUTPUT_LIMITS:
        current = _output_limits([live.split()])
        return all(current.get(kind) == limits for kind, limits in _output_limits(lines).items())
    if name == "notify-keyspace-events":
        return _event_flags(lines[-1][0]) == _event_flags(live)
    wanted = lines[-1]
    words = live.split() if len(wanted) > 1 else [live]
    return [normal(word) for word in wanted] == [normal(word) for word in words]


def _save_points(lines: list[list[str]]) -> list[str]:
    """The `seconds changes` pairs that hold: lines add up, and `save ""` takes back those before it."""
    points: list[str] = []
    for words in lines:
        points = [] if words == [""] else [*points, *words]
    return points


def _output_limits(lines: list[list[str]]) -> dict[str, tuple[int | str, ...]]:
    limits: dict[str, tuple[int | str, ...]] = {}
    for words in lines:
        for start in range(0, len(words), 4):
            kind = words[start].lower()
            limits["replica" if kind == "slave" else kind] = tuple(
                normal(word) for word in words[start + 1 : start + 4]
            )
    return limits


def _event_flags(flags: str) -> set[str]:
    return set(flags.replace("A", "g$lshztdxe"))


def normal(word: str) -> int | str:
    """A word in the form in which it can be compared: sizes in bytes, anything else in lower case."""
    match = re.fullmatch(r"(-?\d+)([a-z]*)", word.lower())
    if match and match[2] in MEMORY_UNITS:
        return int(match[1]) * MEMORY_UNITS[match[2]]
    return word.lower()
