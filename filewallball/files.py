"""Text files that users hand in or get: always UTF-8, whatever the locale, and named where that fails."""

from __future__ import annotations

import stat
from pathlib import Path

from filewallball.errors import ConfigError


def read_text(path: Path) -> str:
    """The text of a file. Raises OSError, which names it, and ConfigError for one that isn't UTF-8."""
    if not stat.S_ISREG(path.stat().st_mode) and not path.is_dir():  # reading a pipe would wait for ever
        raise ConfigError(f"{path} is not a file", "Name a file with text.")
    data = path.read_bytes()
    try:
        return data.decode("utf-8")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise ConfigError(
            f"{path} is not UTF-8: line {line} holds the byte 0x{data[error.start]:02x}",
            "Save it as UTF-8 in your editor.",
        ) from None


def write_text(path: Path, text: str) -> None:
    """Write a file, and the folders above it. Raises OSError, which names what cannot be made."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8", errors="backslashreplace")
