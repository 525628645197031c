"""Which options of `fwb restore` make sense together."""

from __future__ import annotations

from pathlib import Path
from typing import Any, cast

import pytest

from filewallball.errors import ConfigError
from filewallball.recovery import remote
from filewallball.recovery.remote import Asked

ROOT = Path(__file__).parents[3]


@pytest.mark.parametrize(("options", "told"), [
    ({}, "Which backup"),
    ({"latest": True, "name": "a"}, "Which backup"),
    ({"latest": True, "tables": "a,,b", "into": "b"}, "names an empty table"),
    ({"latest": True, "tables": ""}, "names an empty table"),
    ({"latest": True, "into": ""}, "is no name for a database"),
    ({"latest": True, "into": "x" * 65}, "is no name for a database"),
    ({"latest": True, "yes": False}, "nobody to ask"),
])  # fmt: skip
def test_what_makes_no_sense_is_wrong_usage(options: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as raised:
        Asked(**{"yes": True, **options}).check()
    assert raised.value.hint


@pytest.mark.parametrize("options", [
    {"latest": True, "tables": "a, b,a"},
    {"at": "2026-11-21 10:15", "into": "b"},
    {"at": "2026-11-21 10:15", "into": "b", "tables": "a,b"},
])  # fmt: skip
def test_what_goes_together(options: dict[str, Any]) -> None:
    asked = Asked(yes=True, **options)
    asked.check()
    assert asked.names == (["a", "b"] if asked.tables else [])


def test_the_scripts_are_thin_calls() -> None:
    for name, words in (("backup", "backup now"), ("restore", "restore")):
        script = ROOT / "scripts" / f"{name}-database.sh"
        assert f'exec .venv/bin/fwb {words} "${{STACK:-dev}}" "$@"\n' in script.read_text(encoding="utf-8")
        assert script.stat().st_mode & 0o111


@pytest.mark.parametrize(("options", "told"), [
    ({"name": "b"}, ("b (3 rows) will take the place of the database filewallball_db in dev.", "users stay")),
    ({"name": "b", "tables": "x,y"}, ("Only x, y of b (3 rows) will take the place of these tables",
                                      "Everything else stays")),
    ({"name": "b", "tables": "x", "into": "n"}, ("Only x of b (3 rows) will be loaded into",)),
])  # fmt: skip
def test_what_will_happen_is_told_before(options: dict[str, Any], told: tuple[str, ...]) -> None:
    chosen = {"name": "b", "rows": 3, "seconds": 1.0}
    question = remote.question(cast("Any", "dev"), Asked(**options), chosen, None)
    assert [part for part in told if part not in question] == []
