"""Log lines as JSON, one object each, with the request's id."""

from __future__ import annotations

import json
import logging
import sys
import time
from contextlib import suppress
from contextvars import ContextVar
from datetime import UTC, datetime
from typing import Any

request_id: ContextVar[str] = ContextVar("request_id", default="")
_encode = json.JSONEncoder(ensure_ascii=False, default=str).encode
_requests = logging.getLogger("filewallball.app.request")


class JsonLines(logging.Formatter):
    def __init__(self, server: str) -> None:
        super().__init__()
        self._server = server

    def format(self, record: logging.LogRecord) -> str:
        """One line, whatever is in the message."""
        line = self.line(record.created, record.levelname, record.getMessage())
        if record.exc_info:
            line["error"] = self.formatException(record.exc_info)
        return _encode(line)

    def line(self, created: float, level: str, message: str) -> dict[str, Any]:
        """What each line has. `created`: seconds since 1970."""
        found: dict[str, Any] = {
            "time": datetime.fromtimestamp(created, UTC).isoformat(timespec="milliseconds"),
            "level": level,
            "server": self._server,
            "message": message,
        }
        if known := request_id.get():
            found["request_id"] = known
        return found


_lines = JsonLines("")


def set_up(server: str, level: str) -> None:
    global _lines
    _lines = JsonLines(server)
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(_lines)
    logging.basicConfig(level=level, handlers=[handler], force=True)
    logging.captureWarnings(capture=True)
    for noisy in ("botocore", "urllib3", "alembic", "multipart", "python_multipart", "asyncio"):
        logging.getLogger(noisy).setLevel("WARNING")


def request(facts: dict[str, Any]) -> None:
    """The line of a request that has ended: past the logging module, which would take a tenth of its time."""
    if _requests.isEnabledFor(logging.INFO):
        line = _encode(_lines.line(time.time(), "INFO", "request") | facts)
        with suppress(OSError):  # nobody reads the log: a user has to get the answer all the same
            sys.stdout.write(f"{line}\n")
            sys.stdout.flush()
