"""Keeps secret values out of everything that is printed: collected where they are seen, then replaced."""

from __future__ import annotations

import base64
import json
import re
import threading
import urllib.parse
from typing import Any, cast

MASK = "[secret]"
SHORTEST = 4
"""Characters. Shorter values would black out half of every text, and they are too easy to guess to be a
secret.
"""
COMMON = frozenset({"true", "false", "null", "none", "yes", "no"})
"""These words are in many texts, and they are too easy to guess to be a secret."""


class Redactor:
    """Knows the secret values of one run, in every spelling in which they may turn up."""

    def __init__(self) -> None:
        self._values: set[str] = set()
        self._words: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._lock = threading.Lock()

    def add(self, value: Any, *, short: bool = False) -> None:
        """Learn a secret: a text, or all that a structure holds, one written as JSON too.

        `short`: numbers as well, and what is shorter than 4 characters, wherever it stands alone; never
        true, false, a single character or a number below 100, which would black out everything.
        """
        if isinstance(value, dict):
            for item in cast("dict[str, Any]", value).values():
                self.add(item, short=short)
        elif isinstance(value, list):
            for item in cast("list[Any]", value):
                self.add(item, short=short)
        elif isinstance(value, str):
            if value.lstrip()[:1] in ("{", "["):
                self.add(_parsed(value), short=short)
            with self._lock:
                self._learn(value, short=short)
                self._pattern = None
        elif short and isinstance(value, int | float) and not isinstance(value, bool):
            self.add(str(value), short=True)

    def _learn(self, value: str, *, short: bool) -> None:
        word = value.strip()
        if short and word.lower() in COMMON:
            return
        if short and (len(word) < SHORTEST or word.isdigit()):
            if len(word) > 1 and not (word.isdigit() and len(word) < 3):
                self._words.add(word)
                self._values.add(base64.b64encode(value.encode("utf-8", "surrogatepass")).decode())
            return
        self._values.update(_spellings(value), _spellings(decoded(value)))

    def add_secret_object(self, manifest: dict[str, Any]) -> None:
        """Learn what a Kubernetes Secret holds."""
        self.add(manifest.get("stringData") or {})
        data: dict[str, Any] = manifest.get("data") or {}
        for value in data.values():
            self.add(value)

    def text(self, text: str) -> str:
        """The text with every secret replaced by `[secret]`."""
        with self._lock:
            if self._pattern is None and (self._values or self._words):
                longest_first = sorted(self._values, key=len, reverse=True)
                # 300 is not in 300.5
                words = [rf"(?<![\w.]){re.escape(word)}(?!\w|\.\d)" for word in sorted(self._words)]
                self._pattern = re.compile("|".join([*map(re.escape, longest_first), *words]))
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
        if isinstance(value, int | float) and str(value) in self._words | self._values:
            return MASK
        return value


KNOWN = Redactor()
"""Knows what is secret in the configuration that this process has read. The command line prints none of it.
"""


def decoded(value: Any) -> str:
    """What a base64 text says, or nothing where it is no text."""
    try:
        return base64.b64decode(value, validate=True).decode()
    except (ValueError, TypeError):
        return ""


def _parsed(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return None


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
