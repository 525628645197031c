"""Uploads, streamed into the store part by part: at most one part is in memory, whatever the file's size."""

from __future__ import annotations

import asyncio
import hashlib
import time
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

from filewallball.app.cache import TEMPORARY_SECONDS, Cache, progress_key
from filewallball.app.errors import Conflict, NotFound, Refused, TooLarge, Unavailable
from filewallball.app.files import Files
from filewallball.app.ranges import Range
from filewallball.app.store import PART_BYTES, Part

AT_ONCE = 16
"""Uploads of one server; each may hold a part in memory."""
PATIENCE_SECONDS = 5.0
SILENCE_SECONDS = 60.0
"""For so long a client may send nothing."""
LEAST_BYTES_PER_SECOND = 1024
"""On the average, after that time."""


class Uploads:
    def __init__(self, files: Files, cache: Cache, most: int) -> None:
        self._files, self._cache, self.most = files, cache, most
        self._turns = asyncio.Semaphore(AT_ONCE)

    async def whole(self, owner: int, name: str, kind: str | None, body: AsyncIterator[bytes], *,
                    shared: bool = False, progress: str = "", size: int = 0) -> dict[str, Any]:  # fmt: skip
        """A file in one request. `size`: what is announced, or 0. Raises TooLarge; then nothing is kept."""
        self.check(size)
        async with self._turn():
            row = await self._files.begin(owner, name, kind, size, shared=shared)
            try:
                received, sha256 = await self._store(row, body, progress)
            except BaseException:
                await asyncio.shield(self._files.give_up(row["id"]))
                raise
            return await self._files.arrived(row["id"], received, sha256)

    async def _store(self, row: dict[str, Any], body: AsyncIterator[bytes], progress: str) -> tuple[int, str]:
        file = str(row["id"])
        store, digest, received = self._files.store, hashlib.sha256(), 0
        upload, parts = "", list[Part]()
        async for data in pieces(body, self.most):
            digest.update(data)
            received += len(data)
            if len(data) < PART_BYTES and not upload:
                await store.put(file, data)
            else:
                upload = upload or await self._files.begin_parts(file)
                parts.append(await store.part(file, upload, len(parts) + 1, data))
            await self._tell(progress, row["owner_id"], received, row["size"])
        if upload:
            await store.finish(file, upload, parts)
        elif not received:
            await store.put(file, b"")
        return received, digest.hexdigest()

    async def begin(
        self, owner: int, name: str, kind: str | None, size: int, *, shared: bool
    ) -> dict[str, Any]:
        """A file that comes in as many requests as it takes. Its id is the upload's."""
        self.check(size)
        row = await self._files.begin(owner, name, kind, size, shared=shared)
        return {**row, "store_upload": await self._files.begin_parts(row["id"])}

    async def received(self, row: dict[str, Any]) -> int:
        """How much of it the store has: where to go on."""
        return sum(each.size for each in await self._parts(row))

    async def _parts(self, row: dict[str, Any]) -> list[Part]:
        """Raises NotFound for an upload that has no parts: one that came in one request, or was finished."""
        if not row["store_upload"]:
            raise NotFound
        return await self._files.store.parts(row["id"], row["store_upload"])

    async def append(
        self, row: dict[str, Any], piece: Range, body: AsyncIterator[bytes]
    ) -> dict[str, Any] | None:
        """Add what comes to an upload; the file, once it is whole. If it breaks off, its full parts stay.

        Raises Conflict if the piece doesn't begin where the upload stands.
        """
        file, upload, size = str(row["id"]), str(row["store_upload"]), int(row["size"])
        async with self._turn():
            parts = await self._parts(row)
            received = sum(each.size for each in parts)
            if piece.first != received:
                raise Conflict("wrong_offset", received=received)
            async for data in pieces(body, piece.length):
                if len(data) < PART_BYTES and received + len(data) != size:
                    break  # only the last part may be smaller
                parts.append(await self._files.store.part(file, upload, len(parts) + 1, data))
                received += len(data)
                await self._tell(file, row["owner_id"], received, size)
            if received < size:
                return None
            await self._files.store.finish(file, upload, parts)
            return await self._files.arrived(file, size, await self._hash(file, size))

    async def _hash(self, file: str, size: int) -> str:
        """Of what the store has: the pieces may have come to several servers."""
        digest = hashlib.sha256()
        async for chunk in await self._files.store.read(file, 0, size - 1):
            digest.update(chunk)
        return digest.hexdigest()

    def check(self, size: int) -> None:
        """Raises TooLarge."""
        if size > self.most:
            raise TooLarge("too_large", most=self.most)

    async def progress(self, upload: str, owner: int) -> dict[str, Any]:
        """Bytes received, and all that are to come (0: not announced). Raises NotFound."""
        found = await self._cache.get(progress_key(upload))
        if not found or found["owner"] != owner:
            raise NotFound
        return {"received": found["received"], "size": found["size"]}

    async def _tell(self, upload: str, owner: int, received: int, size: int) -> None:
        if upload:
            value = {"owner": owner, "received": received, "size": size}
            await self._cache.put(progress_key(upload), value, TEMPORARY_SECONDS)

    @asynccontextmanager
    async def _turn(self) -> AsyncGenerator[None]:
        try:
            async with asyncio.timeout(PATIENCE_SECONDS):
                await self._turns.acquire()
        except TimeoutError:
            raise Unavailable("Too many uploads are under way.", retry_after=10) from None
        try:
            yield
        finally:
            self._turns.release()


async def pieces(body: AsyncIterator[bytes], most: int) -> AsyncIterator[bytes]:
    """The body in parts of PART_BYTES, the last one smaller. Raises TooLarge beyond `most` bytes."""
    part, received = bytearray(), 0
    async for chunk in patiently(body):
        received += len(chunk)
        if received > most:
            raise TooLarge("too_large", most=most)
        part += chunk
        while len(part) >= PART_BYTES:
            full = bytes(memoryview(part)[:PART_BYTES])
            del part[:PART_BYTES]
            yield full
    if part:
        yield bytes(part)


async def patiently(body: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    """The same; raises Refused for a client that has fallen silent, or keeps its place by a trickle."""
    started, received = time.monotonic(), 0
    while True:
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                chunk = await anext(body)
        except StopAsyncIteration:
            return
        except TimeoutError:
            raise Refused("too_slow") from None
        received += len(chunk)
        passed = time.monotonic() - started
        if passed > SILENCE_SECONDS and received < passed * LEAST_BYTES_PER_SECOND:
            raise Refused("too_slow")
        yield chunk
