"""Keeps secret values out of everything that is printed: collected where they are seen, then replaced."""

from __future__ import annotations

import base64
import json
import re
import threading
import urllib.parse
from typing import Any, cast

MASK = "[secret]"
# shorter values would black out half of every text, and are no secrets worth the name
SHORTEST = 4


class Redactor:
    """Knows the secret values of one run, in every spelling in which they may turn up."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def add(self, value: Any) -> None:
        """Learn a secret: a scalar, or all the scalars of a structure."""
        if isinstance(value, dict):
            for item in cast("dict[str, Any]", value).values():
                self.add(item)
        elif isinstance(value, list):
            for item in cast("list[Any]", value):
                self.add(item)
        elif isinstance(value, str):
            with self._lock:
                self._values.update(_spellings(value), _spellings(decoded(value)))
                self._pattern = None

    def add_secret_object(self, manifest: dict[str, Any]) -> None:
        """Learn what a Kubernetes Secret holds."""
        self.add(manifest.get("stringData") or {})
        data: dict[str, Any] = manifest.get("data") or {}
        for value in data.values():
            self.add(value)

    def text(self, text: str) -> str:
        """The text with every secret replaced by `[secret]`."""
        with self._lock:
            if self._pattern is None and self._values:
                longest_first = sorted(self._values, key=len, reverse=True)
                self._pattern = re.compile("|".join(map(re.escape, longest_first)))
            pattern = self._pattern
        return pattern.sub(MASK, text) if pattern else text

    def data(self, value: Any) -> Any:
        """The same for a structure of plain data."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return {self.text(key): self.data(item) for key, item in cast("dict[str, Any]", value).items()}
        if isinstance(value, list | tuple):
            return [self.data(item) for item in cast("list[Any]", value)]
        return value


def decoded(value: Any) -> str:
    """What a base64 text says, or nothing where it is no text."""
    try:
        return base64.b64decode(value, validate=True).decode()
    except (ValueError, TypeError):
        return ""


def _spellings(value: str) -> set[str]:
    lines = [line.strip() for line in value.splitlines()] if "\n" in value else []
    found = {value, value.strip(), *(line for line in lines if len(line) >= 2 * SHORTEST)}
    for text in (value, value.rstrip("\n")):
        found |= {
            base64.b64encode(text.encode()).decode(),
            json.dumps(text)[1:-1],
            repr(text)[1:-1],
            urllib.parse.quote(text, safe=""),
        }
    return {text for text in found if len(text) >= SHORTEST}
