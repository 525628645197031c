"""`.env.local`: what this machine alone knows of the targets. The environment wins over it.

A variable of one target ends in the target's name: `REDIS_PASSWORD_DEV` is for `dev` of config.json.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from filewallball import redact
from filewallball.errors import ConfigError
from filewallball.files import read_text

FILE = ".env.local"
EXAMPLE = ".env.example"
SECRETS = re.compile(r"PASSWORD(?!_FILE)")
TRUE = frozenset({"true", "yes", "1", "on"})
FALSE = frozenset({"false", "no", "0", "off"})


@dataclass(frozen=True)
class Bucket:
    """Where logical backups go. `prefix` has no slash at its ends, and may be empty."""

    name: str
    prefix: str
    profile: str | None


@dataclass(frozen=True)
class Local:
    """The variables that are set: those of the file at `path`, and above them the environment's."""

    path: Path
    variables: Mapping[str, str]

    @classmethod
    def read(cls, folder: Path, environment: Mapping[str, str] = os.environ) -> Local:
        """Those of a project's folder; the file may be missing. Raises ConfigError for an unreadable line."""
        path = folder / FILE
        values = _values(path) if path.exists() else {}
        values |= environment
        found = {name: value for name, value in values.items() if value}
        for name, value in found.items():
            if name.startswith("REDIS_") and SECRETS.search(name):
                redact.KNOWN.add(value)
        return cls(path, found)

    def get(self, name: str) -> str | None:
        return self.variables.get(name)

    def flag(self, name: str) -> bool | None:
        """True or false as it is written; None if it isn't set. Raises ConfigError for anything else."""
        value = self.variables.get(name)
        if value is None:
            return None
        if value.lower() not in TRUE | FALSE:
            raise self.wrong(
                name, f"{value!r} is neither true nor false", f"Write {name}=true or leave it out."
            )
        return value.lower() in TRUE

    def file(self, name: str) -> str | None:
        """The path of a file that can be read; a relative one starts at the project's folder."""
        value = self.variables.get(name)
        if value is None:
            return None
        path = self.path.parent / Path(value).expanduser()
        if not path.is_file() or not os.access(path, os.R_OK):
            raise self.wrong(name, f"{path} is not a file that can be read", "Correct the path.")
        return str(path)

    def bucket(self) -> Bucket:
        """The store of logical backups. Raises ConfigError if S3_URI is missing or wrong."""
        uri = self.variables.get("S3_URI")
        hint = f"Write S3_URI=s3://BUCKET/PATH into {self.path}; {EXAMPLE} shows how."
        if uri is None:
            raise self.wrong("S3_URI", "it is not set", hint)
        parts = urlsplit(uri)
        if parts.scheme != "s3" or not parts.netloc or parts.query or parts.fragment:
            raise self.wrong("S3_URI", f"{uri!r} is not the address of a bucket", hint)
        return Bucket(parts.netloc, parts.path.strip("/"), self.variables.get("AWS_PROFILE"))

    def wrong(self, name: str, why: str, hint: str) -> ConfigError:
        return ConfigError(f"{name} of {self.path} or of the environment is wrong: {why}", hint)


def _values(path: Path) -> dict[str, str]:
    # late: a pod has no such file, nor the library
    from dotenv import dotenv_values
    from dotenv.parser import parse_stream

    text = read_text(path)
    for binding in parse_stream(io.StringIO(text)):
        if binding.error or (binding.key is not None and binding.value is None):
            raise ConfigError(
                f"{path}, line {binding.original.line} cannot be read",
                f'Write it as NAME="value"; {EXAMPLE} shows how.',
            )
    read = dotenv_values(stream=io.StringIO(text), interpolate=False)
    return {name: value for name, value in read.items() if value is not None}
