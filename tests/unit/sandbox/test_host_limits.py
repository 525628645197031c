"""Kernel limits are raised where they are too low, never lowered."""

from __future__ import annotations

from pathlib import Path

import pytest

from filewallball.errors import UserError
from filewallball.sandbox import host
from filewallball.sandbox.progress import Progress


@pytest.fixture
def said() -> list[str]:
    return []


@pytest.mark.parametrize(("before", "after"), [("128\n", "1024"), ("4096\n", "4096\n")])
def test_a_limit_is_raised_but_never_lowered(
    tmp_path: Path, said: list[str], before: str, after: str
) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text(before)

    host._raise_limit(limit, 1024, Progress(said.append))

    assert limit.read_text() == after
    assert bool(said) == (before != after)


def test_a_limit_that_cannot_be_raised_is_named(tmp_path: Path, said: list[str], monkeypatch) -> None:
    limit = tmp_path / "max_user_instances"
    limit.write_text("128")

    def refuse(self: Path, text: str, encoding: str) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(Path, "write_text", refuse)
    with pytest.raises(UserError, match="max_user_instances must be 1024 or more: Operation not permitted"):
        host._raise_limit(limit, 1024, Progress(said.append))
