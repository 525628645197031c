"""The account of the load: it is logged in, has a file to download, and leaves nothing of a round behind."""

from __future__ import annotations

import asyncio
import contextlib
import json
import secrets
from typing import Any, cast

from filewallball.drill.load.web.connections import Answer, Connections
from filewallball.drill.load.web.mix import FILE_BYTES, LOG_IN, UPLOAD_BYTES, Kind

NAME = "Drill"
CSRF = "x-csrf-token"
UNKNOWN = 400
"""The status for an account that isn't there, or a wrong password."""
AT_ONCE = 8
"""Uploads that are looked up at the same time."""
TRIES = 5
"""How often what has to be done before and after a round is tried."""
PAUSE_SECONDS = 0.5


class NotServed(Exception):
    """The application didn't do what a round needs; the message says what, and what it answered."""


class Account:
    """`enter` comes before all else, and `leave` last."""

    def __init__(self, url: str, email: str, password: str) -> None:
        self._connections = Connections(url)
        self._email, self._password = email, password
        self._upload = secrets.token_bytes(UPLOAD_BYTES)
        self._content = secrets.token_bytes(FILE_BYTES)
        self._user: dict[str, str] = {}
        self._file = ""
        self.uploaded: list[str] = []
        """Ids of acknowledged uploads."""

    async def enter(self) -> None:
        """Log in, sign up where that is needed, and bring the file. Raises NotServed."""
        told = await self._asked("POST", LOG_IN.path, self._credentials, (200, UNKNOWN))
        if told.status == UNKNOWN:
            sign_up = {**self._credentials, "name": NAME}
            told = await self._asked("POST", "/api/v1/users", sign_up, (201,))
        self._user = _session(told)
        made = await self._asked("POST", "/api/v1/files?name=drill.bin", self._content, (201,))
        self._file = str(_read(made)["id"])
        for kind in ("", "/content"):  # what is to be cached is cached by then
            await self._asked("GET", f"/api/v1/files/{self._file}{kind}", None, (200,))

    def request(self, kind: Kind) -> tuple[str, dict[str, str] | None, bytes | None]:
        """Path, headers and body of a request of this kind."""
        path = kind.path.replace("{file}", self._file)
        if kind is LOG_IN:
            return path, _JSON, json.dumps(self._credentials).encode()
        return path, self._user if kind.user else None, self._upload if kind.method == "POST" else None

    def right(self, kind: Kind, answer: Answer) -> bool:
        """Whether it is the answer that was to come. Remembers what was uploaded."""
        if answer.status != kind.status or answer.error:
            return False
        if kind.name == "download":
            return answer.body == self._content
        if kind.name == "upload":
            made = _read(answer)
            self.uploaded.append(str(made.get("id")))
            return made.get("size") == UPLOAD_BYTES
        if kind.name == "metadata":
            return _read(answer).get("id") == self._file
        if kind.name == "session":
            return _read(answer).get("user", {}).get("email") == self._email
        return bool(answer.body)

    async def log_out(self, answer: Answer) -> None:
        """End the session that an answer began."""
        with contextlib.suppress(LookupError, ValueError):
            await self._connections.send("DELETE", LOG_IN.path, headers=_session(answer))

    async def lost(self) -> list[str]:
        """Acknowledged uploads that aren't there byte by byte, and why. Raises NotServed."""
        turn = asyncio.Semaphore(AT_ONCE)

        async def look(file: str) -> str:
            async with turn:
                found = await self._asked("GET", f"/api/v1/files/{file}/content", None, (200, 403, 404))
            if found.status != 200:
                return f"{file}: {found.status}"
            return "" if found.body == self._upload else f"{file}: other bytes"

        looked = await asyncio.gather(*(look(file) for file in self.uploaded))
        return [why for why in looked if why]

    async def leave(self) -> None:
        """Remove the files and end the session. What can't be removed now stays in the account."""
        turn = asyncio.Semaphore(AT_ONCE)

        async def remove(file: str) -> None:
            async with turn:
                with contextlib.suppress(NotServed):
                    await self._asked("DELETE", f"/api/v1/files/{file}", None, (204, 404))

        await asyncio.gather(*(remove(file) for file in [*self.uploaded, self._file] if file))
        if self._user:
            await self._connections.send("DELETE", LOG_IN.path, headers=self._user)
        await self._connections.close()

    @property
    def _credentials(self) -> dict[str, str]:
        return {"email": self._email, "password": self._password}

    async def _asked(
        self, method: str, path: str, content: bytes | dict[str, Any] | None, wanted: tuple[int, ...]
    ) -> Answer:
        headers = {**self._user, **_JSON} if isinstance(content, dict) else self._user
        body = json.dumps(content).encode() if isinstance(content, dict) else content
        left = TRIES
        while True:
            answer = await self._connections.send(method, path, headers=headers, content=body)
            if answer.status in wanted:
                return answer
            left -= 1
            if not left or (400 <= answer.status < 500 and answer.status != 429):
                said = answer.error or f"{answer.status} {answer.body[:200].decode(errors='replace')}"
                raise NotServed(f"{method} {path.partition('?')[0]} was answered {said}")
            await asyncio.sleep(PAUSE_SECONDS)


_JSON = {"content-type": "application/json"}


def _read(answer: Answer) -> dict[str, Any]:
    """What it tells; nothing for what isn't the application's JSON."""
    try:
        found: Any = json.loads(answer.body)
    except ValueError:
        return {}
    return cast("dict[str, Any]", found) if isinstance(found, dict) else {}


def _session(answer: Answer) -> dict[str, str]:
    """The headers of the user whose session an answer began. Raises LookupError."""
    cookies = [each.partition(";")[0] for each in answer.headers.getall("set-cookie", [])]
    return {"cookie": "; ".join(cookies), CSRF: str(_read(answer)["csrf"])}
