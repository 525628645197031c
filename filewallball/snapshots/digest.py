"""A digest of many keys in any order: servers list theirs differently."""

from __future__ import annotations

import hashlib

_MODULUS = 1 << 256
"""Digests of keys are added up modulo this, so that their order makes no difference."""


class Digest:
    """The sum, modulo 2^256, of the SHA-256 of each key with what is said of it.

    A sum rather than XOR: two equal entries don't cancel out.
    """

    def __init__(self, database: int) -> None:
        self._database = b"%d" % database
        self._sum = 0

    def add(self, key: bytes, expires: int | None, value: bytes = b"") -> None:
        """`expires`: Unix time in milliseconds. `value`: what sums up the key's value, if that counts."""
        said = b"" if expires is None else b"%d" % expires
        one = hashlib.sha256()
        for part in (self._database, key, said, value):
            one.update(b"%d:" % len(part))
            one.update(part)
        self._sum = (self._sum + int.from_bytes(one.digest(), "big")) % _MODULUS

    def hexdigest(self) -> str:
        return f"{self._sum:064x}"
