"""What every command prints through: no secret leaves, and no character and no closed pipe is an error."""

from __future__ import annotations

import codecs
import contextlib
import io
import json
import os
import sys
from collections.abc import Generator, Iterable
from typing import IO, Any, cast

from filewallball import redact

READABLE = "fwb.readable"
SIGNS = str.maketrans(
    {
        "→": "->", "←": "<-", "…": "...", "–": "-", "—": "-", "‘": "'", "’": "'", "“": "'", "”": "'",
        "└": "`", "├": "|", "│": "|", "─": "-", "╭": "+", "╮": "+", "╰": "+", "╯": "+", "•": "*", "·": ".",
        "×": "x", "≥": ">=", "≤": "<=", "✓": "OK",
    }
)  # fmt: skip


def _readable(error: UnicodeError) -> tuple[str, int]:
    """Signs as in ASCII; other characters as JSON writes them, so that JSON stays valid; bytes as \\xff."""
    if not isinstance(error, UnicodeEncodeError):
        raise error
    text = error.object[error.start : error.end].translate(SIGNS)
    return "".join(map(_escaped, text)), error.end


def _escaped(sign: str) -> str:
    if "\udc80" <= sign <= "\udcff":  # a byte that is no text, in an argument or in a file's name
        return f"\\x{ord(sign) - 0xDC00:02x}"
    return sign if sign.isascii() else json.dumps(sign)[1:-1]


codecs.register_error(READABLE, _readable)


class Guarded:
    """A text stream that prints no secret, and goes on in silence once nobody reads it any more.

    Work that has begun is not to be cut off half-way by a closed pipe.
    """

    def __init__(self, stream: IO[str], name: str, *, vital: bool) -> None:
        self._stream = stream
        self._name = name
        self._vital = vital

    def write(self, text: str) -> int:
        with self._faults():
            self._stream.write(redact.KNOWN.text(text))
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        with self._faults():
            self._stream.flush()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._stream, name)

    @contextlib.contextmanager
    def _faults(self) -> Generator[None]:
        try:
            yield
        except OSError as error:
            # what is still buffered must not fail again, at the latest when Python ends
            with contextlib.suppress(OSError, ValueError):
                nowhere = os.open(os.devnull, os.O_WRONLY)
                os.dup2(nowhere, self._stream.fileno())
                os.close(nowhere)
            if self._vital and not isinstance(error, BrokenPipeError):
                raise OSError(error.errno, error.strerror, self._name) from None


@contextlib.contextmanager
def ready() -> Generator[None]:
    """Make the standard streams fit for everything that commands print, as long as this lasts."""
    before = sys.stdin, sys.stdout, sys.stderr
    _open_closed()
    for stream, errors in ((sys.stdin, "replace"), (sys.stdout, READABLE), (sys.stderr, READABLE)):
        if isinstance(stream, io.TextIOWrapper):
            cast("io.TextIOWrapper", stream).reconfigure(errors=errors)
    sys.stdout = Guarded(sys.stdout, "the standard output", vital=True)
    sys.stderr = Guarded(sys.stderr, "the standard error", vital=False)
    try:
        yield
    finally:
        sys.stdin, sys.stdout, sys.stderr = before


def _open_closed() -> None:
    """Give a closed standard stream somewhere to go: else the next file that is opened takes its place."""
    while (number := os.open(os.devnull, os.O_RDWR)) <= 2:
        pass
    os.close(number)
    for name, mode in (("stdin", "r"), ("stdout", "w"), ("stderr", "w")):
        if getattr(sys, name) is None:
            setattr(sys, name, open(os.devnull, mode, encoding="utf-8"))  # noqa: PTH123, SIM115
