"""A form with a file is read as it comes, however it is cut, and never kept in memory as a whole."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from filewallball.app import uploads
from filewallball.app.errors import Refused, TooLarge
from filewallball.app.web.forms import FileForm

BOUNDARY = "----x"


def body(data: bytes, filename: str = "a.txt", *before: tuple[str, str]) -> bytes:
    parts = [f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="{n}"\r\n\r\n{v}\r\n' for n, v in before]
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="{filename}"\r\n'
    head += "Content-Type: text/plain\r\n\r\n"
    return "".join([*parts, head]).encode() + data + f"\r\n--{BOUNDARY}--\r\n".encode()


async def streamed(raw: bytes, size: int) -> AsyncIterator[bytes]:
    for start in range(0, len(raw), size):
        yield raw[start : start + size]


def form(raw: bytes, size: int = 1000, kind: str = f"multipart/form-data; boundary={BOUNDARY}") -> FileForm:
    request: Any = SimpleNamespace(headers={"content-type": kind}, stream=lambda: streamed(raw, size))
    return FileForm(request)


async def read(found: FileForm) -> bytes:
    await found.open()
    return b"".join([chunk async for chunk in found.file()])


@settings(max_examples=60, deadline=None)
@given(st.binary(max_size=2000), st.integers(1, 300))
def test_the_file_is_whole_however_it_is_cut(data: bytes, size: int) -> None:
    found = form(body(data, "보고서.txt", ("csrf", "토큰"), ("shared", "1")), size)
    assert asyncio.run(read(found)) == data
    assert found.filename == "보고서.txt"
    assert found.fields == {"csrf": "토큰", "shared": "1"}
    assert found.type == "text/plain"


@pytest.mark.parametrize(
    "raw",
    [
        b"",
        b"no form at all",
        body(b"data")[:-20],
        body(b"x").replace(b'; filename="a.txt"', b""),
        body(b"data", "a.txt", ("csrf", "x" * 10_000)),
        body(b"data", "a" * 20_000),
        b"--" + BOUNDARY.encode() + b"\r\n" + b"".join(b"H%d: 1\r\n" % n for n in range(100)) + b"\r\n",
    ],
    ids=["empty", "garbage", "broken off", "no file", "large field", "large header", "many headers"],
)
def test_what_is_no_form_is_refused(raw: bytes) -> None:
    with pytest.raises(Refused):
        asyncio.run(read(form(raw)))


@pytest.mark.parametrize("kind", ["", "text/plain", "multipart/form-data", "multipart/form-data; boundary="])
def test_a_form_without_its_boundary_is_refused(kind: str) -> None:
    with pytest.raises(Refused):
        form(b"", kind=kind)


def test_a_body_is_cut_into_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "PART_BYTES", 10)

    async def run(raw: bytes, most: int) -> list[bytes]:
        return [part async for part in uploads.pieces(streamed(raw, 7), most)]

    assert asyncio.run(run(b"a" * 25, 100)) == [b"a" * 10, b"a" * 10, b"a" * 5]
    assert asyncio.run(run(b"a" * 20, 20)) == [b"a" * 10, b"a" * 10]
    assert asyncio.run(run(b"", 100)) == []
    with pytest.raises(TooLarge):
        asyncio.run(run(b"a" * 21, 20))


def test_a_client_that_falls_silent_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "SILENCE_SECONDS", 0.01)

    async def silent() -> AsyncIterator[bytes]:
        yield b"a"
        await asyncio.Event().wait()

    async def run() -> None:
        async for _ in uploads.patiently(silent()):
            pass

    with pytest.raises(Refused) as error:
        asyncio.run(run())
    assert error.value.text == "too_slow"


def test_a_client_that_keeps_its_place_by_a_trickle_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "SILENCE_SECONDS", 0.5)
    monkeypatch.setattr(uploads, "LEAST_BYTES_PER_SECOND", 1_000_000)

    async def trickle() -> AsyncIterator[bytes]:
        while True:
            yield b"a"
            await asyncio.sleep(0.01)

    async def run() -> None:
        async for _ in uploads.patiently(trickle()):
            pass

    with pytest.raises(Refused) as error:
        asyncio.run(run())
    assert error.value.text == "too_slow"
