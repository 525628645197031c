"""The load on the application: a small HTTP client, so that the client takes little of the machine."""

from __future__ import annotations

import asyncio
import json
import os
import random
import re
import socket
import time
import urllib.error
import urllib.request
from collections import defaultdict
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass

PIECE_BYTES = 2**20
ANSWER_SECONDS = 30.0


@dataclass
class Person:
    """A user who is logged in."""

    id: int
    files: list[str]
    cookie: str = ""
    csrf: str = ""


class Connection:
    """One that is kept alive. Raises OSError, or ValueError for an answer that isn't a success."""

    def __init__(self, port: int, person: Person) -> None:
        self._port, self._person = port, person
        self._reader: asyncio.StreamReader
        self._writer: asyncio.StreamWriter

    async def __aenter__(self) -> Connection:
        self._reader, self._writer = await asyncio.open_connection("127.0.0.1", self._port)
        return self

    async def __aexit__(self, *_: object) -> None:
        self._writer.close()

    async def timed(self, method: str, path: str, body: object = None) -> float:
        """Milliseconds of a call, to the last byte."""
        started = time.perf_counter()
        await self.call(method, path, b"" if body is None else json.dumps(body).encode())
        return 1000 * (time.perf_counter() - started)

    async def call(self, method: str, path: str, body: bytes = b"") -> bytes:
        """The answer's body."""
        self._head(method, path, len(body))
        self._writer.write(body)
        async with asyncio.timeout(ANSWER_SECONDS):
            return await self._reader.readexactly(await self._length())

    async def upload(self, path: str, size: int) -> str:
        """Send so many bytes; the new file's id."""
        self._head("POST", path, size)
        piece = os.urandom(PIECE_BYTES)
        for start in range(0, size, PIECE_BYTES):
            self._writer.write(piece[: size - start])
            await self._writer.drain()
        found = json.loads(await self._reader.readexactly(await self._length()))
        return str(found["id"])

    async def download(self, path: str) -> int:
        """How many bytes come."""
        self._head("GET", path, 0)
        length = left = await self._length()
        while left:
            chunk = await self._reader.read(min(left, PIECE_BYTES))
            if not chunk:
                break
            left -= len(chunk)
        return length - left

    def _head(self, method: str, path: str, length: int) -> None:
        self._writer.write(
            f"{method} {path} HTTP/1.1\r\nHost: localhost\r\nCookie: {self._person.cookie}\r\n"
            f"X-CSRF-Token: {self._person.csrf}\r\nContent-Type: application/json\r\n"
            f"Content-Length: {length}\r\n\r\n".encode()
        )

    async def _length(self) -> int:
        """Of the body that follows."""
        head = (await self._reader.readuntil(b"\r\n\r\n")).decode("latin-1")
        status = int(head.split(" ", 2)[1])
        if status >= 400:
            raise ValueError(head)
        found = re.search(r"(?i)content-length: (\d+)", head)
        return int(found[1]) if found else 0


async def crowd(
    ports: Sequence[int], people: list[Person], seconds: float, pause: float
) -> dict[str, list[float]]:
    """Milliseconds by the call's name, and `failed`, of people who do something, and then pause.

    They are spread over the servers at these ports.
    """
    times: dict[str, list[float]] = defaultdict(list)
    end = time.monotonic() + seconds

    async def live(person: Person) -> None:
        await asyncio.sleep(random.random() * pause)  # noqa: S311 - no secret
        async with Connection(ports[person.id % len(ports)], person) as connection:
            while time.monotonic() < end:
                name, method, path, body = _something(person)
                try:
                    times[name].append(await connection.timed(method, path, body))
                except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError):
                    times["failed"].append(0.0)
                    return
                await asyncio.sleep(pause * (0.5 + random.random()))  # noqa: S311 - no secret

    async with asyncio.TaskGroup() as group:
        for person in people:
            group.create_task(live(person))
    return times


def _something(person: Person) -> tuple[str, str, str, object]:
    """A call, as often as people would make it."""
    file = random.choice(person.files)  # noqa: S311 - no secret
    calls: dict[tuple[str, str, str], tuple[int, object]] = {
        ("metadata", "GET", f"/api/v1/files/{file}"): (30, None),
        ("own files", "GET", "/api/v1/files"): (20, None),
        ("wall", "GET", "/api/v1/wall"): (15, None),
        ("posts", "GET", "/api/v1/posts"): (10, None),
        ("front page", "GET", "/"): (10, None),
        ("who is online", "GET", "/api/v1/online"): (4, None),
        ("notifications", "GET", "/api/v1/notifications"): (3, None),
        ("rename", "PATCH", f"/api/v1/files/{file}"): (5, {"name": "renamed.pdf"}),
        ("comment", "POST", f"/api/v1/posts/{person.id}/comments"): (3, {"content": "hello"}),
    }
    weights = [weight for weight, _ in calls.values()]
    [((name, method, path), (_, body))] = random.choices(list(calls.items()), weights)  # noqa: S311 - no secret
    return name, method, path, body


def quantile(times: list[float], part: float) -> float:
    """The time that this part of them does not exceed."""
    return sorted(times)[min(len(times) - 1, int(part * len(times)))]


def status(port: int, path: str) -> int:
    """Of an answer; 0: there is none."""
    try:
        with urllib.request.urlopen(f"http://127.0.0.1:{port}{path}", timeout=5) as answer:
            return int(answer.status)
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return 0


def listens(port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def free_ports(count: int) -> list[int]:
    with ExitStack() as stack:
        made = [stack.enter_context(socket.create_server(("127.0.0.1", 0))) for _ in range(count)]
        return [int(each.getsockname()[1]) for each in made]


def wait_until(condition: Callable[[], bool], seconds: float) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        if time.monotonic() > deadline:
            raise SystemExit("A server of the benchmark didn't start.")
        time.sleep(0.05)
