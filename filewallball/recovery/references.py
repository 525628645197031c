"""What ties tables to others: alone, they would fit the others no longer."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from filewallball.backup import literals
from filewallball.errors import ConfigError, nearest

Name = tuple[str, str]
"""A database and a table in it."""
_ASIDE = "Give --into with the name of a new database, and copy from there what you need."


@dataclass(frozen=True)
class Surroundings:
    """What there is: the databases of the name, tables that are none by kind, and who refers to whom."""

    databases: frozenset[str]
    others: dict[str, str]
    references: tuple[tuple[Name, Name], ...]


def query(database: str) -> str:
    """SQL whose rows `read` understands. Names are in hexadecimal, which every client leaves as it is."""
    name = literals.text(database.encode()).decode()
    return (
        "SELECT 'DATABASE', HEX(SCHEMA_NAME), '', '', '' FROM information_schema.SCHEMATA"  # noqa: S608
        f" WHERE SCHEMA_NAME = {name}"
        " UNION ALL SELECT TABLE_TYPE, HEX(TABLE_NAME), '', '', '' FROM information_schema.TABLES"
        f" WHERE TABLE_SCHEMA = {name} AND TABLE_TYPE IN ('VIEW', 'SEQUENCE')"
        " UNION SELECT 'REFERENCE', HEX(TABLE_SCHEMA), HEX(TABLE_NAME), HEX(REFERENCED_TABLE_SCHEMA),"
        " HEX(REFERENCED_TABLE_NAME) FROM information_schema.KEY_COLUMN_USAGE"
        f" WHERE REFERENCED_TABLE_NAME IS NOT NULL AND {name} IN (TABLE_SCHEMA, REFERENCED_TABLE_SCHEMA)"
    )


def read(rows: Iterable[Sequence[str]]) -> Surroundings:
    """What the rows of `query` tell."""
    databases: set[str] = set()
    others: dict[str, str] = {}
    references: list[tuple[Name, Name]] = []
    for kind, *coded in rows:
        first, second, third, fourth = (bytes.fromhex(each).decode() for each in coded)
        if kind == "DATABASE":
            databases.add(first)
        elif kind == "REFERENCE":
            references.append(((first, second), (third, fourth)))
        else:
            others[first] = kind.lower()
    return Surroundings(frozenset(databases), others, tuple(sorted(references)))


def check_names(tables: Iterable[str], known: Collection[str], where: str) -> None:
    """Raise ConfigError that names all tables which are not known; `where`: what doesn't have them."""
    unknown = [table for table in tables if table not in known]
    if not unknown:
        return
    hints = [nearest(table, sorted(known), "Tables") for table in unknown]
    near = [hint.partition(" Tables: ")[0] for hint in hints if hint.startswith("Did")]
    listed = "Tables: " + hints[0].partition("Tables: ")[2]
    raise ConfigError(f"--tables: {where} has no table {', '.join(unknown)}.", " ".join([*near, listed]))


def check(tables: Collection[str], database: str, found: Surroundings, where: str) -> None:
    """Raise ConfigError unless the tables can be put into `database` by themselves.

    `where` the surroundings are: in the backup, or in the database.
    """
    if database not in found.databases:
        raise ConfigError(
            f"--tables: the database {database} is gone.", "Leave out --tables, and restore all of it."
        )
    if taken := [f"{found.others[table]} {table}" for table in tables if table in found.others]:
        raise ConfigError(
            f"--tables: {where} there is a {' and a '.join(taken)}, which is no table.",
            "Drop it, and run the command again.",
        )
    named = {(database, table) for table in tables}
    ties = [(child, parent) for child, parent in found.references if (child in named) != (parent in named)]
    if not ties:
        return
    told = ", ".join(" refers to ".join(_called(side, database) for side in tie) for tie in ties)
    whole = _together(named, found.references)
    if all(each == database for each, _ in whole):
        hint = f"Name all of them: --tables {','.join(sorted(table for _, table in whole))}."
    else:
        hint = f"A table of another database can't be named. {_ASIDE}"
    raise ConfigError(f"--tables: {where} foreign keys tie them to tables that are not named: {told}.", hint)


def _called(name: Name, database: str) -> str:
    return name[1] if name[0] == database else ".".join(name)


def _together(named: set[Name], references: Iterable[tuple[Name, Name]]) -> set[Name]:
    """The tables, and all that are tied to them."""
    whole: set[Name] = set()
    more = set(named)
    while more - whole:
        whole |= more
        more = {each for tie in references if whole & {*tie} for each in tie}
    return whole
