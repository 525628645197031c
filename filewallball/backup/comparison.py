"""Whether a restored copy is what the snapshot held, and what doesn't come back as it was.

Rows are compared by number and checksum, and definitions by their text. Two rules go beyond that:

- Text that the server writes anew. It keeps no view, no default and no CHECK as they were typed, but writes
  them down as it understood them, and what it writes may read differently once it was read back: `_utf8 ' '`,
  say, or what a connection in latin1 sent. So where the texts differ, the snapshot's own statement is run
  once more in the throw-away server, under the session variables that the server keeps beside it. The copy
  is right if it has exactly the text that comes of that, and if a view's columns have the names, types and
  collations that they had. Anything lost between the server and the copy is still seen, since the statement
  comes from the server and not from the dump.
- What is lost, and what differs. Rows that are missing are lost: the backup has failed. A value, a definition
  or a view that can't be taken exactly is told, and the rest is worth keeping.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeVar

from filewallball.backup import sums
from filewallball.backup.database import quote
from filewallball.backup.inventory import Definition, Inventory, label

_T = TypeVar("_T")
Again = Callable[[str, str, Definition], Definition | None]
"""Runs a definition once more: kind, name, definition to what the server makes of it; None if it can't."""
_ANEW = ("table", "view")
"""The kinds whose text the server writes itself. Of the others it keeps what was typed."""
_ENGINE = re.compile(r"\n\) ENGINE=(\w+)")
_SHOWN = 80
"""Characters of a text that are shown in a message."""


@dataclass(frozen=True)
class Compared:
    """What isn't the same, a line each: `lost` makes a backup fail, `differing` doesn't."""

    lost: tuple[str, ...] = ()
    differing: tuple[str, ...] = ()

    @property
    def lines(self) -> list[str]:
        """All of them."""
        return [*self.lost, *self.differing]


def never(_kind: str, _name: str, _made: Definition) -> None:
    """Where no server is at hand that could run a definition once more."""
    return


def compare(
    expected: Inventory, found: Inventory, again: Again = never, told: Sequence[str] = ()
) -> Compared:
    """Compare what the snapshot held with what a restored copy holds.

    `told`: lines about what isn't taken exactly. An object that one of them begins with is told already.
    """
    known = _told(expected, found, told)
    lost: list[str] = []
    differing: list[str] = []
    for name, (want, have) in _pairs(expected.tables, found.tables):
        is_known = label("table", name) in known
        if want is None or have is None:
            if not is_known:
                why = f": it cannot be read ({found.unreadable[name]})" if name in found.unreadable else ""
                state = "new" if want is None else "missing"
                lost.append(f"table {name} is {state} in the restored copy{why}")
            continue
        if want.rows != have.rows:
            lost.append(f"table {name}: {have.rows} rows restored, {want.rows} in the snapshot")
        elif want.checksum != have.checksum and (not is_known or _comparable(name, expected, found)):
            differing.append(_checksum(name, want.rows, expected))
        if want.definition != have.definition and not is_known:
            differing += _definition("table", name, expected, found, again)
    for kind, (want, have) in _pairs(expected.objects, found.objects):
        for name, (old, new) in _pairs(want or {}, have or {}):
            if old != new and label(kind, name) not in known:
                differing += _definition(kind, name, expected, found, again)
    return Compared(tuple(lost), tuple(differing))


def _told(expected: Inventory, found: Inventory, lines: Sequence[str]) -> set[str]:
    """The labels with which the lines begin. Of `table a` and `table a: b` it is the longer one."""
    labels = {label("table", name) for name in (*expected.tables, *found.tables)}
    for objects in (expected.objects, found.objects):
        labels |= {label(kind, name) for kind, names in objects.items() for name in names}
    begun = ([each for each in labels if line.startswith((f"{each}:", f"{each} is "))] for line in lines)
    return {max(each, key=len) for each in begun if each}


def _comparable(name: str, expected: Inventory, found: Inventory) -> bool:
    """Whether the rows of a table are told in the same way, though it isn't made as it was."""
    both = [each.made.get(label("table", name)) for each in (expected, found)]
    return len({made is not None and sums.GENERATED in made.text for made in both}) == 1


def _definition(kind: str, name: str, expected: Inventory, found: Inventory, again: Again) -> list[str]:
    """The line about a definition that isn't the same; none if the copy means the same."""
    what = label(kind, name)
    want, have = expected.made.get(what), found.made.get(what)
    there = name in (found.tables if kind == "table" else found.objects.get(kind, {}))
    wanted = name in (expected.tables if kind == "table" else expected.objects.get(kind, {}))
    if not wanted:
        return [f"{what} is new in the restored copy. Run the backup again."]
    if not there:
        return [f"{what} is missing in the restored copy. {_mend(kind, name)}"]
    if want is None or have is None:
        return [f"{what}: its definition differs. {_mend(kind, name)}"]
    if kind == "table" and (engine := _engine(want)) != (other := _engine(have)):
        return [_other_engine(name, engine, other)]
    if kind in _ANEW and _same(kind, name, want, have, again):
        return []
    return [f"{what}: its definition differs{_where(want, have)}. {_mend(kind, name)}"]


def _same(kind: str, name: str, want: Definition, have: Definition, again: Again) -> bool:
    if want.session != have.session:
        return False
    if want.columns is not None and have.columns is not None and want.columns != have.columns:
        return False
    made = again(kind, name, want)
    return made is not None and made.text == have.text


def _engine(made: Definition) -> str:
    found = _ENGINE.search(made.text)
    return found[1] if found else ""


def _other_engine(name: str, engine: str, other: str) -> str:
    return (
        f"table {name}: the throw-away server lacks its engine {engine}, so that it is restored as {other}."
        f" Its rows are in the backup, and were compared. Run `ALTER TABLE {quote(name)} ENGINE={other};`."
    )


def _where(want: Definition, have: Definition) -> str:
    """The first place at which two definitions part."""
    for old, new in zip(_parts(want), _parts(have), strict=False):
        if old != new:
            at = next((at for at, (one, two) in enumerate(zip(old, new, strict=False)) if one != two), 0)
            start = max(0, at - _SHOWN // 2)
            return (
                f" (`{_plain(old[start : start + _SHOWN])}` became `{_plain(new[start : start + _SHOWN])}`)"
            )
    return ""


def _plain(text: str) -> str:
    """The text for a message, which must be UTF-8."""
    return text.encode("utf-8", "surrogateescape").decode("utf-8", "replace")


def _parts(made: Definition) -> list[str]:
    columns = [" ".join(column) for column in made.columns or ()]
    return [*made.text.splitlines(), *(f"{name}={value}" for name, value in made.session), *columns]


def _checksum(name: str, rows: int, expected: Inventory) -> str:
    made = expected.made.get(label("table", name))
    text = f"table {name}: the checksum of its {rows} rows differs"
    if made is not None and "CHARSET=utf8mb4" in made.text and "CHARACTER SET" not in made.text:
        return f"{text}. Run the backup again. If it differs again, test the node's memory and disk."
    return (
        f"{text}: text in another character set than utf8mb4 may not come back."
        f" Run `ALTER TABLE {quote(name)} CONVERT TO CHARACTER SET utf8mb4;`."
    )


def _mend(kind: str, name: str) -> str:
    """The statement after which the next backup holds it as it is."""
    if kind == "table":
        return f"Run `ALTER TABLE {quote(name)} FORCE;`, by which the server writes the table anew."
    if kind == "database":
        return "Run `ALTER DATABASE COMMENT '…';` in the database, with the comment that it should have."
    if kind == "sequence":
        return f"Run `SHOW CREATE SEQUENCE {quote(name)};`, and set it right with `ALTER SEQUENCE`."
    sort, _, bare = name.partition(" ") if kind == "routine" else (kind, "", name)
    show = f"SHOW CREATE {sort.upper()} {quote(bare)};"
    if kind == "view":
        return f"Run `{show}`, and what it shows again as CREATE OR REPLACE VIEW."
    return f"Run `{show}`, and what it shows again after `DROP {sort.upper()} {quote(bare)};`."


def _pairs(old: Mapping[str, _T], new: Mapping[str, _T]) -> list[tuple[str, tuple[_T | None, _T | None]]]:
    return [(name, (old.get(name), new.get(name))) for name in sorted({*old, *new})]
