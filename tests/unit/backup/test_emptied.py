"""When an empty database is suspicious."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from filewallball.backup.job import check_emptied
from filewallball.backup.manifest import Manifest, Position, Table
from filewallball.errors import UserError

NAME = "filewallball_backup_20260101_000000.sql.gz"


def tables(**rows: int) -> dict[str, Table]:
    return {name: Table(count, 1, "x") for name, count in rows.items()}


def earlier(**rows: int) -> Manifest:
    then = datetime(2026, 1, 1, tzinfo=UTC)
    return Manifest(
        NAME, then, 10, "s", 20, "filewallball_db", "utf8mb4", "c", "10.11", Position("f", 1), tables(**rows),
        {}, True, then, 0.5,
    )  # fmt: skip


@pytest.mark.parametrize("now", [{}, {"files": 0, "users": 0}, {"files": 0, "fwb_check_1_backup": 3}])
def test_an_emptied_database_is_refused(now: dict[str, int]) -> None:
    with pytest.raises(UserError) as caught:
        check_emptied(tables(**now), earlier(files=7, users=1, fwb_check_2_backup=3), "filewallball_db")
    assert f"{NAME} held 8 rows" in caught.value.message
    assert "`fwb backup now STACK --allow-empty`" in caught.value.hint
    assert "kubectl" not in caught.value.hint


@pytest.mark.parametrize(
    ("before", "now"),
    [
        (None, {}),
        (earlier(), {}),
        (earlier(files=0), {}),
        (earlier(fwb_check_2_backup=3), {"files": 0}),
        (earlier(files=7, users=1), {"files": 0, "users": 1}),
    ],
)
def test_what_is_no_surprise_passes(before: Manifest | None, now: dict[str, int]) -> None:
    check_emptied(tables(**now), before, "filewallball_db")
