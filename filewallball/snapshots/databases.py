"""Which databases a session server has, and what in them is the product's own.

Applications have 0 to 15 and every key in them but those that begin with `fwb:` (users.acl, valkey.conf). The
clock stays in a database of theirs: a member of an older version has no other, and would lose it.
"""

from __future__ import annotations

from facts.valkey import CLOCK, CLOCK_DB

DATABASES = range(16)
"""The databases of applications."""
STAGING = 16
"""The database in which a restore prepares the data. Applications can't select it."""
LOCK = "fwb:restore"
"""A key beside the clock, in CLOCK_DB. It exists while a restore runs."""
OWN = (CLOCK, LOCK)
"""Keys in CLOCK_DB that belong to the product."""


def is_own(database: int, key: bytes) -> bool:
    """Whether a key is the product's own."""
    return database == CLOCK_DB and key.decode(errors="replace") in OWN
