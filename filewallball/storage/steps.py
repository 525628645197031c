"""Logic that stands once, for threads and for asyncio.

An operation is a generator. It yields steps, functions of the `io` that does them: `raw = yield lambda io:
io.backend.get(key)`. `done` runs it with calls that block, `awaited` with calls that are awaited. An error of
a step is raised inside the generator, where the step stands.
"""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable, Generator
from typing import Any, TypeVar

T = TypeVar("T")
Step = Callable[[Any], Any]
Operation = Generator[Step, Any, T]


class Blocking:
    """The steps' `io` for threads."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds)

    def run(self, function: Callable[[], Any]) -> Any:
        return function()


class Awaiting:
    """The steps' `io` for asyncio."""

    def __init__(self, backend: Any) -> None:
        self.backend = backend

    async def sleep(self, seconds: float) -> None:
        import asyncio

        await asyncio.sleep(seconds)

    async def run(self, function: Callable[[], Any]) -> Any:
        found = function()
        return await found if inspect.isawaitable(found) else found


def done(operation: Operation[T], io: Any) -> T:
    """What the operation returns, with its steps done one after the other."""
    try:
        step = next(operation)
        while True:
            try:
                found = step(io)
            except BaseException as error:  # noqa: BLE001 - it goes on inside the operation
                step = operation.throw(error)
            else:
                step = operation.send(found)
    except StopIteration as end:
        return end.value


async def awaited(operation: Operation[T], io: Any) -> T:
    """The same, with each step awaited."""
    try:
        step = next(operation)
        while True:
            try:
                found = await step(io)
            except BaseException as error:  # noqa: BLE001 - it goes on inside the operation
                step = operation.throw(error)
            else:
                step = operation.send(found)
    except StopIteration as end:
        return end.value
