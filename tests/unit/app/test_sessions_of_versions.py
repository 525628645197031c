"""In a rolling update, servers of two versions read each other's sessions."""

from __future__ import annotations

import asyncio
import time
from dataclasses import asdict
from typing import Any

import pytest

from filewallball.app import sessions
from filewallball.app.sessions import Session, Sessions

TOKEN = "t" * 43
SESSION = Session(
    7, "a@example.org", "a", "member", sessions._mark(TOKEN), "csrf", time.time(), "::1", "agent"
)


class StoreStub:
    def __init__(self, value: dict[str, Any]) -> None:
        self.value = value

    async def get_json(self, _key: str) -> dict[str, Any]:
        return {SESSION.mark: self.value}


def found(value: dict[str, Any]) -> tuple[Session | None, list[Session]]:
    known = object.__new__(Sessions)
    known._storage = StoreStub(value)  # type: ignore[assignment]

    async def ask() -> tuple[Session | None, list[Session]]:
        return await known.find(f"7.{TOKEN}"), await known.of(7)

    return asyncio.run(ask())


def test_a_newer_version_may_know_more_of_a_session() -> None:
    assert found({**asdict(SESSION), "device": "phone"}) == (SESSION, [SESSION])


@pytest.mark.parametrize("lacking", ["csrf", "role", "address"])
def test_a_session_that_lacks_something_is_none(lacking: str) -> None:
    assert found({name: value for name, value in asdict(SESSION).items() if name != lacking}) == (None, [])
