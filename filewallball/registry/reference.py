"""References of images, as container tools write them: `redis:7` is docker.io/library/redis:7."""

from __future__ import annotations

import re
from dataclasses import dataclass

from filewallball.errors import ConfigError

_PATH = re.compile(r"[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*(?:/[a-z0-9]+(?:(?:[._]|__|-+)[a-z0-9]+)*)*")
_TAG = re.compile(r"\w[\w.-]{0,127}", re.ASCII)
_HOST = re.compile(r"(?:[A-Za-z0-9](?:[A-Za-z0-9.-]*[A-Za-z0-9])?|\[[0-9a-fA-F:]+\])(?::\d{1,5})?")
_HUB = "docker.io"


@dataclass(frozen=True)
class Reference:
    """An image: its registry, its repository there, its tag, and its digest if it is pinned to one."""

    registry: str
    repository: str
    tag: str = ""
    digest: str = ""

    @classmethod
    def parse(cls, text: str) -> Reference:
        """Raises ConfigError for what is no reference."""
        rest, _, digest = text.partition("@")
        first, slash, path = rest.partition("/")
        if not slash or not (any(each in first for each in ".:[") or first == "localhost"):
            first, path = _HUB, rest
        name, _, tag = path.partition(":")
        if first == _HUB and "/" not in name:
            name = f"library/{name}"
        if not _HOST.fullmatch(first) or not _PATH.fullmatch(name) or (tag and not _TAG.fullmatch(tag)):
            raise ConfigError(
                f"{text!r} is not the reference of an image",
                "Write registry/name:tag, with small letters in the name.",
            )
        return cls(first, name, tag, digest)

    @property
    def host(self) -> str:
        """Where the registry answers."""
        return "registry-1.docker.io" if self.registry == _HUB else self.registry

    def __str__(self) -> str:
        tag = f":{self.tag}" if self.tag else ""
        return f"{self.registry}/{self.repository}{tag}" + (f"@{self.digest}" if self.digest else "")
