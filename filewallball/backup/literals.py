"""Bytes as SQL that every client and server reads back as the same bytes."""

from __future__ import annotations

from filewallball.backup.database import quote

_ESCAPES = (
    (b"\\", b"\\\\"),
    (b"'", b"\\'"),
    (b"\0", b"\\0"),
    (b"\n", b"\\n"),
    (b"\r", b"\\r"),
    (b"\x1a", b"\\Z"),
)


def text(value: bytes) -> bytes:
    """A string in single quotes, on one line. The server must not be in NO_BACKSLASH_ESCAPES."""
    for raw, escaped in _ESCAPES:
        value = value.replace(raw, escaped)
    return b"'" + value + b"'"


def hexadecimal(value: bytes) -> bytes:
    """Bytes that may be anything."""
    return b"X'" + value.hex().encode() + b"'"


def statement(value: bytes) -> bytes:
    """SQL to be run later, in whatever character set: readable, with its own line breaks."""
    for raw, escaped in (
        (b"\\", b"\\\\"),
        (b"'", b"''"),
        (b"\0", b"\\0"),
        (b"\r", b"\\r"),
        (b"\x1a", b"\\Z"),
    ):
        value = value.replace(raw, escaped)
    return b"_binary'" + value + b"'"


def name(value: str) -> bytes:
    """A quoted identifier."""
    return quote(value).encode()
