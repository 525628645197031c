"""The libraries of functions that a server holds. They belong to no database, and are placed together."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Library:
    """A library as FUNCTION LOAD takes it."""

    engine: bytes
    code: bytes

    @property
    def digest(self) -> str:
        """The SHA-256 of its engine and its code."""
        return hashlib.sha256(b"%d:%b%b" % (len(self.engine), self.engine, self.code)).hexdigest()


def held(run: Callable[..., Any]) -> dict[str, Library]:
    """The libraries of a server, by name, read one at a time: no answer is larger than a library."""
    found: dict[str, Library] = {}
    for listed in run("FUNCTION", "LIST"):
        name = listed[b"library_name"]
        for one in run("FUNCTION", "LIST", "LIBRARYNAME", name, "WITHCODE"):
            found[name.decode()] = Library(one[b"engine"], one[b"library_code"])
    return found


def digests(libraries: Mapping[str, Library]) -> dict[str, str]:
    """What a manifest says of libraries."""
    return {name: one.digest for name, one in sorted(libraries.items())}


def place(client: Any, libraries: Mapping[str, Library]) -> None:
    """Let a server hold these libraries and no others, from one moment to the next."""
    pipeline = client.pipeline(transaction=True)
    pipeline.execute_command("FUNCTION", "FLUSH")
    for one in libraries.values():
        pipeline.execute_command("FUNCTION", "LOAD", one.code)
    pipeline.execute()
