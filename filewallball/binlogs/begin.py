"""What is kept beside a timeline: when it begins, and why the one before it ended."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime

from filewallball.backup.fields import load, parse_time, utc_text

FORMAT = 1


@dataclass(frozen=True)
class Begin:
    """`time`: when it was begun. `broken`: whether another one ended there. `why`: a sentence."""

    time: datetime
    broken: bool
    why: str

    def to_json(self) -> bytes:
        """As it is stored: UTF-8, readable by people."""
        values = {"format": FORMAT, "time": utc_text(self.time), "broken": self.broken, "why": self.why}
        return (json.dumps(values, ensure_ascii=False, indent=1) + "\n").encode()

    @classmethod
    def from_json(cls, text: bytes) -> Begin:
        """What `to_json` wrote. Raises ManifestError."""
        fields = load(text)
        fields.check_format(FORMAT)
        time = parse_time("time", fields.get("time", str))
        return cls(time, fields.get("broken", bool), fields.get("why", str))
