"""Where people reach what a stack serves: what a Service says of itself, and the ports of the documents."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final
from urllib.parse import urlsplit

URL: Final = "filewallball.io/url"
"""Annotation of a Service that people open in a browser: its name for them, and the URL on their own machine
when its first port is forwarded there, such as `site http://127.0.0.1:3000`.
"""
LOOPBACK: Final = "127.0.0.1"


@dataclass(frozen=True)
class Page:
    """What the annotation says."""

    name: str
    scheme: str
    port: int

    @classmethod
    def read(cls, text: str) -> Page | None:
        """None for what is no such text."""
        name, _, url = text.partition(" ")
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            return None
        if not (name and port and parts.scheme in ("http", "https")):
            return None
        return cls(name, parts.scheme, port)

    def url(self, port: int | None = None) -> str:
        """The URL, with another port if the page's own was taken."""
        return f"{self.scheme}://{LOOPBACK}:{port or self.port}"

    def __str__(self) -> str:
        return f"{self.name} {self.url()}"
