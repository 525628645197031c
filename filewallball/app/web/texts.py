"""The texts in each language, and which one a request wants."""

from __future__ import annotations

import tomllib
from functools import cache
from pathlib import Path

from starlette.requests import Request

LANGUAGES = {"ko": "한국어", "en": "English"}
DEFAULT = "en"
COOKIE = "language"


@cache
def texts() -> dict[str, dict[str, str]]:
    """By name, then by language."""
    return tomllib.loads(Path(__file__).with_name("texts.toml").read_text(encoding="utf-8"))


def say(language: str, name: str, **values: object) -> str:
    """A text with its values put in."""
    found = texts()[name][language]
    return found.format(**values) if values else found


def language_of(request: Request) -> str:
    """What the switch has set; else the browser's."""
    chosen = request.cookies.get(COOKIE, "")
    return chosen if chosen in LANGUAGES else preferred(request.headers.get("accept-language", ""))


def preferred(header: str) -> str:
    """The best of our languages by Accept-Language."""
    best, weight = DEFAULT, 0.0
    for part in header.split(",")[:20]:
        name, _, rest = part.strip().partition(";")
        try:
            quality = float(rest.strip().removeprefix("q=") or "1")
        except ValueError:
            continue
        language = name.strip().lower().partition("-")[0]
        if language in LANGUAGES and quality > weight:
            best, weight = language, quality
    return best
