"""A finding counts unless a line covers it, and a line that covers nothing counts as well."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.judges import suppressions
from tests.judges.suppressions import Finding, Suppression, left

FOUND = [Finding("A1", "dev Pod a", "bad"), Finding("A1", "prd Pod a", "bad"), Finding("B2", "prd Pod b")]
WHY = "Since a is like that."


def test_what_is_covered_and_what_is_not() -> None:
    assert left(FOUND, [Suppression("A1", ("* Pod a",), WHY), Suppression("B2", ("prd Pod b",), WHY)]) == []
    assert left(FOUND, [Suppression("A1", ("dev *",), WHY), Suppression("B2", ("*",), WHY)]) == [
        "A1: prd Pod a: bad"
    ]


@pytest.mark.parametrize("unused", [("C3", "*"), ("B2", "dev *")])
def test_a_line_that_covers_nothing_is_told(unused: tuple[str, str]) -> None:
    covering = [Suppression("A1", ("*",), WHY), Suppression("B2", ("*", unused[1]), WHY)]
    if unused[0] == "C3":
        covering.append(Suppression("C3", ("*",), WHY))
    [told] = left(FOUND, covering)
    assert told.startswith(f"{unused[0]}: {unused[1]}: nothing is found there any more")


@pytest.mark.parametrize(
    "entry",
    [
        "{check: A1, things: ['*']}",
        "{check: A1, things: ['*'], reason: no.}",
        "{check: A1, things: ['*'], reason: 'It has no full stop'}",
        '{check: A1, things: ["*"], reason: "It has\\nmore than one line."}',
        "{check: A1, things: ['*'], reason: It is as it should be., stack: dev}",
    ],
)
def test_each_needs_a_reason_in_one_line(entry: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(suppressions, "FOLDER", tmp_path)
    (tmp_path / "judge.yaml").write_text(f"- {entry}\n", encoding="utf-8")
    with pytest.raises(ValueError, match="judge: "):
        suppressions.read("judge")


@pytest.mark.parametrize("file", sorted(suppressions.FOLDER.glob("*.yaml")), ids=lambda file: file.stem)
def test_every_file_can_be_read(file: Path) -> None:
    for entry in suppressions.read(file.stem):
        assert entry.things
