"""The files that `state` and `poll` write, and `compare` reads."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, cast

from filewallball import redact
from filewallball.errors import ConfigError
from filewallball.files import read_text

FORMAT = 2


def default_path(kind: str, name: str, at: datetime) -> Path:
    """A name that says what it is, of which target, and when."""
    return Path(f"redis-{kind}-{name}-{at.astimezone(UTC):%Y%m%dT%H%M%SZ}.json")


def told(
    kind: str,
    name: str,
    at: datetime,
    out: Path | None,
    taken: Callable[[], dict[str, Any]],
    show: Callable[[dict[str, Any]], None],
    *,
    as_json: bool,
) -> int:
    """Take a result, write it, and show it. Returns 0 if all was well in it, else 1."""
    path = out or default_path(kind, name, at)
    writable(path)
    document = taken()
    write(path, document)
    if as_json:
        print(json.dumps(redact.KNOWN.data(document), ensure_ascii=False, indent=2))
    else:
        show(document)
        print(f"Written to {path}")
    return 0 if document["ok"] else 1


def write(path: Path, document: dict[str, Any]) -> None:
    """Write one file as a whole. Raises OSError, which names it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(path.name + ".new")
    text = json.dumps(redact.KNOWN.data({"format": FORMAT, **document}), ensure_ascii=False, indent=1)
    new.write_text(text + "\n", encoding="utf-8")
    new.replace(path)


def writable(path: Path) -> None:
    """Raises OSError if the file can't be written, before minutes are spent on what goes into it."""
    path.parent.mkdir(parents=True, exist_ok=True)
    there = path.exists()
    path.open("a", encoding="utf-8").close()
    if not there:
        path.unlink()


def read(path: Path) -> dict[str, Any]:
    """What `state` or `poll` has written. Raises ConfigError for any other file."""
    hint = "Name files that `fwb redis state` or `fwb redis poll` has written."
    try:
        found: object = json.loads(read_text(path))
    except (json.JSONDecodeError, RecursionError) as error:
        raise ConfigError(f"{path} is not JSON: {error}", hint) from None
    document = cast("dict[str, Any]", found) if isinstance(found, dict) else {}
    if document.get("kind") not in ("state", "poll"):
        raise ConfigError(f"{path} is no result of the stability toolkit", hint)
    if document.get("format") != FORMAT:
        raise ConfigError(
            f"{path} has the format {document.get('format')}, and {FORMAT} is known",
            "Take both results with the same version of fwb.",
        )
    return document
