"""Files as they come from the store, whose client is a stub here."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from filewallball.app.settings import Files
from filewallball.app.store import CHUNK_BYTES, Store

DATA = bytes(range(256)) * (3 * CHUNK_BYTES // 256)


class Body:
    """Breaks off after some bytes."""

    def __init__(self, data: bytes, after: int) -> None:
        self.data, self.after = data, after
        self.place = 0

    def read(self, most: int) -> bytes:
        if self.place >= self.after:
            raise OSError("broken off")
        found = self.data[self.place : min(self.place + most, self.after)]
        self.place += len(found)
        return found

    def close(self) -> None:
        pass


class Client:
    """Each body breaks off where the next number says; those after the last don't."""

    def __init__(self, *breaks: int) -> None:
        self.breaks = list(breaks)
        self.asked: list[str] = []

    def get_object(self, **words: str) -> Any:
        self.asked.append(words["Range"])
        first, last = (int(each) for each in words["Range"].removeprefix("bytes=").split("-"))
        return {"Body": Body(DATA[first : last + 1], self.breaks.pop(0) if self.breaks else len(DATA))}


def stubbed(client: Client, monkeypatch: pytest.MonkeyPatch) -> Store:
    store = Store(Files(None, "files", "", None, None, None, None, 1))

    def made(*, patient: bool) -> Client:
        del patient
        return client

    monkeypatch.setattr(store, "_client", made)
    return store


def read(client: Client, monkeypatch: pytest.MonkeyPatch, size: int) -> tuple[bytes, int]:
    """What is read, and how often a thread had to be asked."""
    store = stubbed(client, monkeypatch)
    asked = 0
    run = store._threads.run  # pyright: ignore[reportPrivateUsage]

    async def counted(function: Any) -> Any:
        nonlocal asked
        asked += 1
        return await run(function)

    monkeypatch.setattr(store._threads, "run", counted)  # pyright: ignore[reportPrivateUsage]

    async def whole() -> bytes:
        return b"".join([chunk async for chunk in await store.read("a", 0, size - 1)])

    try:
        return asyncio.run(whole()), asked
    finally:
        store.close()


def test_a_small_file_takes_one_turn_of_a_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    assert read(Client(), monkeypatch, 5000) == (DATA[:5000], 1)


@pytest.mark.parametrize("place", [0, 1000, CHUNK_BYTES, CHUNK_BYTES + 1])
def test_a_download_goes_on_where_the_store_broke_off(place: int, monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client(place)
    assert read(client, monkeypatch, len(DATA))[0] == DATA
    assert client.asked == [f"bytes=0-{len(DATA) - 1}", f"bytes={place}-{len(DATA) - 1}"]


def test_it_is_not_asked_for_ever(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    client = Client(*[0] * 100)
    with pytest.raises(OSError, match="broken off"):
        read(client, monkeypatch, 5000)
    assert len(client.asked) < 5


def test_a_small_file_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    client = Client()
    store = stubbed(client, monkeypatch)

    async def often() -> list[bytes]:
        return [await store.small("a", 5000) for _ in range(3)]

    assert asyncio.run(often()) == [DATA[:5000]] * 3
    assert len(client.asked) == 1
    store.close()
