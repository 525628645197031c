"""Small objects of the store that were read lately: an object's bytes never change, so a copy is as good."""

from __future__ import annotations

from collections import OrderedDict

SMALL_BYTES = 64 * 2**10
MOST_BYTES = 16 * 2**20


class Kept:
    """Of one server, in its memory. Those that were asked for least lately make room."""

    def __init__(self, most: int = MOST_BYTES) -> None:
        self._most = most
        self._size = 0
        self._found: OrderedDict[str, bytes] = OrderedDict()

    def get(self, name: str) -> bytes | None:
        found = self._found.get(name)
        if found is not None:
            self._found.move_to_end(name)
        return found

    def put(self, name: str, data: bytes) -> None:
        self.drop(name)
        self._found[name] = data
        self._size += len(data)
        while self._size > self._most:
            _, oldest = self._found.popitem(last=False)
            self._size -= len(oldest)

    def drop(self, name: str) -> None:
        self._size -= len(self._found.pop(name, b""))
