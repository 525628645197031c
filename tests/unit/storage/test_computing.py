"""A value that asks for itself while it is computed, and documents whose places lie within each other."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from filewallball.storage import AsyncStorage, Storage, WrongSetting


def test_a_value_that_is_computed_by_itself_is_told_at_once(tmp_path: Path) -> None:
    with Storage.from_url(f"file://{tmp_path}") as storage:

        def inner() -> Any:
            return storage.get_or_compute("outer", lambda: 1, 60)

        def outer() -> Any:
            return storage.get_or_compute("inner", inner, 60)

        with pytest.raises(WrongSetting, match="computes 'outer' asks for 'outer' itself"):
            storage.get_or_compute("outer", outer, 60)
        assert (
            storage.get_or_compute("outer", lambda: storage.get_or_compute("inner", lambda: 5, 60), 60) == 5
        )


def test_of_tasks_only_those_that_compute_it(tmp_path: Path) -> None:
    async def work() -> tuple[Any, Any]:
        async with AsyncStorage.from_url(f"file://{tmp_path}") as storage:
            begun = asyncio.Event()

            async def later() -> Any:
                await begun.wait()
                return await storage.get_or_compute("a", lambda: 7, 60)

            async def computed() -> int:
                tasks.append(asyncio.create_task(later()))
                return 5

            async def circle() -> Any:
                return await storage.get_or_compute("b", lambda: 1, 60)

            tasks: list[asyncio.Task[Any]] = []
            first = await storage.get_or_compute("a", computed, 60)
            await storage.delete("a")
            begun.set()
            with pytest.raises(WrongSetting, match="asks for 'b' itself"):
                await storage.get_or_compute("b", circle, 60)
            return first, await tasks[0]

    assert asyncio.run(work()) == (5, 7)


def test_an_async_storage_in_a_folder_serves_one_event_loop_after_the_other(tmp_path: Path) -> None:
    storage = AsyncStorage.from_url(f"file://{tmp_path}")

    async def once(number: int) -> Any:
        async with storage:
            await storage.set("loop", number)
            return await storage.get("loop")

    assert [asyncio.run(once(number)) for number in range(2)] == [0, 1]


@pytest.mark.parametrize(
    ("path", "value", "left"),
    [
        ("$..x", 5, {"x": 5, "y": [{"x": 5}]}),
        ("$..x", {"x": 2}, {"x": {"x": 2}, "y": [{"x": {"x": 2}}]}),
        ("$..*", 0, {"x": 0, "y": 0}),
        ("$.y[0, 0].x", 8, {"x": {"x": 1}, "y": [{"x": 8}]}),
    ],
)
def test_places_within_each_other(tmp_path: Path, path: str, value: Any, left: Any) -> None:
    with Storage.from_url(f"file://{tmp_path}") as storage:
        storage.set_json("d", {"x": {"x": 1}, "y": [{"x": 3}]})
        storage.set_json("d", value, path=path)
        assert storage.get_json("d") == left
