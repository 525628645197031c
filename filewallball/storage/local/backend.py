"""Backends with copies before the server: every read that finds one asks nobody."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from filewallball.storage.local.copies import Copies
from filewallball.storage.local.news import News
from filewallball.storage.steps import Operation, awaited, done


class _Copying:
    """The logic, as steps over the server's backend, which is the `io`."""

    def __init__(self, backend: Any, copies: Copies, news: News) -> None:
        self.backend = backend
        self.copies = copies
        self.news = news

    def __getattr__(self, name: str) -> Any:
        return getattr(self.backend, name)

    def __del__(self) -> None:
        if "news" in self.__dict__:
            self.news.end()

    def read(self, keys: Sequence[bytes]) -> Operation[list[bytes | None]]:
        self.news.start()
        found = {key: self.copies.get(key) for key in keys}
        missing = [key for key in found if found[key] is None]
        marks = {key: self.copies.begin(key) for key in missing}
        try:
            for start in range(0, len(missing), 500):
                some = missing[start : start + 500]
                lines = [words for key in some for words in (("GET", key), ("PTTL", key))]
                answers = yield lambda io, lines=lines: io.many(lines)
                for key, value, left in zip(some, answers[::2], answers[1::2], strict=True):
                    found[key] = value
                    self.copies.keep(key, marks[key], value, None if left < 0 else left / 1000)
        finally:
            self.copies.forget(key for key in missing if found[key] is None)
        return [found[key] for key in keys]

    def write(self, keys: Iterable[bytes], name: str, *given: Any, **named: Any) -> Operation[Any]:
        """A call that changes these keys. The copies go before and after it: no reader keeps an old
        answer."""
        names = list(keys)
        self.copies.forget(names)
        try:
            return (yield lambda io: getattr(io, name)(*given, **named))
        finally:
            self.copies.forget(names)

    def with_facts(self, facts: Mapping[str, Any]) -> dict[str, Any]:
        copies = self.copies
        return {
            **facts,
            "local_hits": copies.hits,
            "local_copies": len(copies),
            "local_listening": copies.listening,
        }


class TwoLevels(_Copying):
    """For threads."""

    def get(self, key: bytes) -> bytes | None:
        found = self.copies.get(key)
        return found if found is not None else done(self.read([key]), self.backend)[0]

    def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return done(self.read(keys), self.backend)

    def set(self, key: bytes, *given: Any, **named: Any) -> bool:
        return done(self.write([key], "set", key, *given, **named), self.backend)

    def set_many(self, items: Mapping[bytes, bytes], ttl: float | None = None) -> None:
        done(self.write(items, "set_many", items, ttl), self.backend)

    def delete(self, keys: Sequence[bytes]) -> int:
        return done(self.write(keys, "delete", keys), self.backend)

    def expire(self, key: bytes, ttl: float | None) -> bool:
        return done(self.write([key], "expire", key, ttl), self.backend)

    def add(self, key: bytes, amount: int, ttl: float | None = None) -> int:
        return done(self.write([key], "add", key, amount, ttl), self.backend)

    def change(self, key: bytes, *given: Any, **named: Any) -> bytes | None:
        return done(self.write([key], "change", key, *given, **named), self.backend)

    def clear(self, prefix: bytes) -> int:
        return self.delete(list(self.backend.keys(prefix)))

    def facts(self) -> dict[str, Any]:
        return self.with_facts(self.backend.facts())

    def close(self) -> None:
        self.news.stop()
        self.backend.close()


class AsyncTwoLevels(_Copying):
    """For asyncio."""

    async def get(self, key: bytes) -> bytes | None:
        found = self.copies.get(key)
        return found if found is not None else (await awaited(self.read([key]), self.backend))[0]

    async def get_many(self, keys: Sequence[bytes]) -> list[bytes | None]:
        return await awaited(self.read(keys), self.backend)

    async def set(self, key: bytes, *given: Any, **named: Any) -> bool:
        return await awaited(self.write([key], "set", key, *given, **named), self.backend)

    async def set_many(self, items: Mapping[bytes, bytes], ttl: float | None = None) -> None:
        await awaited(self.write(items, "set_many", items, ttl), self.backend)

    async def delete(self, keys: Sequence[bytes]) -> int:
        return await awaited(self.write(keys, "delete", keys), self.backend)

    async def expire(self, key: bytes, ttl: float | None) -> bool:
        return await awaited(self.write([key], "expire", key, ttl), self.backend)

    async def add(self, key: bytes, amount: int, ttl: float | None = None) -> int:
        return await awaited(self.write([key], "add", key, amount, ttl), self.backend)

    async def change(self, key: bytes, *given: Any, **named: Any) -> bytes | None:
        return await awaited(self.write([key], "change", key, *given, **named), self.backend)

    async def clear(self, prefix: bytes) -> int:
        return await self.delete(await self.backend.keys(prefix))

    async def facts(self) -> dict[str, Any]:
        return self.with_facts(await self.backend.facts())

    async def close(self) -> None:
        self.news.stop()
        await self.backend.close()
