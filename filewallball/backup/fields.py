"""Reading manifests: JSON whose every field is checked."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any


class ManifestError(ValueError):
    """A manifest that cannot be understood; the message says which field and why."""


def load(text: bytes) -> Fields:
    """The fields of a manifest. Raises ManifestError."""
    try:
        values: Any = json.loads(text)
    except ValueError as error:
        raise ManifestError(f"not JSON ({error})") from error
    if not isinstance(values, dict):
        raise ManifestError("not a JSON object")
    return Fields(values)


class Fields:
    """The values of one JSON object; what is missing or of another kind is an error that names its path."""

    def __init__(self, values: Any, path: str = "") -> None:
        if not isinstance(values, dict):
            raise ManifestError(f"{path.removesuffix('.')} is not an object")
        self.values: dict[str, Any] = values
        self._path = path

    def check_format(self, known: int) -> None:
        """Raise ManifestError unless the manifest's format is the one that is known."""
        if (version := self.get("format", int)) != known:
            raise ManifestError(f"format is {version}, this program reads {known}")

    def texts(self, key: str) -> tuple[str, ...]:
        """A list of texts; empty if it is missing."""
        values: list[Any] = self.get(key, list, [])
        if not all(isinstance(value, str) for value in values):
            raise ManifestError(f"{self._path}{key} is {values!r}")
        return tuple(values)

    def get(self, key: str, kind: type | tuple[type, ...], missing: Any = None) -> Any:
        """The value; `missing`, if it is given, where there is none."""
        if key not in self.values:
            if missing is not None:
                return missing
            raise ManifestError(f"{self._path}{key} is missing")
        value = self.values[key]
        # JSON's true is an int to Python.
        if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
            raise ManifestError(f"{self._path}{key} is {value!r}")
        return value


def utc_text(time: datetime) -> str:
    """A time as manifests write it: UTC, to the second."""
    return time.astimezone(UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


def parse_time(key: str, text: object) -> datetime:
    """The time in a manifest. Raises ManifestError; `key` says where it stands."""
    try:
        time = datetime.fromisoformat(str(text))
    except ValueError as error:
        raise ManifestError(f"{key} is {text!r}, not a time") from error
    if time.tzinfo is None:
        raise ManifestError(f"{key} is {text!r}, without a time zone")
    return time
