"""What the policy pack found stands below the changes, what is new of it first."""

from __future__ import annotations

import contextlib
import importlib.util
import sys
import types
from collections.abc import Generator
from pathlib import Path
from typing import Any

import pytest

from filewallball.preview.digest import digest
from filewallball.preview.markdown import markdown
from filewallball.preview.page import page
from filewallball.preview.policies import Violation, compared, judged
from filewallball.preview.rendered import Rendered
from filewallball.preview.report import Report, report
from filewallball.project import load_project
from filewallball.redact import Redactor
from tests.unit.preview.made_trees import Repo, resource

OLD = Violation("mandatory", "image-digest", "Deployment n/a: image is a tag. Write a digest.")
NEW = Violation("mandatory", "no-secret", "ConfigMap n/b: data.x holds opensesame. Use a Secret.")
ADVICE = Violation("advisory", "labels", "ConfigMap n/b: no label. Write one.")


def made(old: list[Violation] | None, new: list[Violation] | None, changed: bool = True) -> Report:
    redactor = Redactor()
    redactor.add("opensesame")
    before = Rendered(True, project="shop", violations=old)
    things = [resource("v1/ConfigMap", "b")] if changed else []
    after = Rendered(True, project="shop", resources=things, violations=new)
    return report("dev", before, after, ("main", "the work tree"), (), redactor)


def test_new_violations_come_first_and_in_the_title() -> None:
    found = made([OLD], [ADVICE, OLD, NEW])
    assert found.title == "dev against main (2 new against policies): no outage"
    told = markdown(found, "elsewhere")
    assert "#### Policies: 3 violations, 2 of them new\n\n- new: mandatory no-secret" in told
    assert "<summary>1 that were there before</summary>\n\n- mandatory image-digest" in told
    assert "opensesame" not in told + page(found, Redactor())
    severities = [each["severity"] for each in digest(found, Redactor())["diagnostics"]]
    assert severities == ["error", "warning", "error"]


def test_an_unchanged_branch_says_nothing_of_old_violations() -> None:
    told = markdown(made([OLD], [OLD], changed=False), "elsewhere")
    assert told == "<!-- fwb preview dev -->\ndev against main: no changes (no resources).\n"
    assert "no-secret" in markdown(made([], [NEW], changed=False), "elsewhere")


def test_no_violation_and_no_pack() -> None:
    assert "Policies: no violation." in markdown(made([OLD], []), "elsewhere")
    assert "olic" not in markdown(made(None, None), "elsewhere")
    assert compared([OLD], None) is None


def test_the_trees_own_pack_judges(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    repo = Repo(tmp_path)
    repo.program("")
    project = load_project(repo.folder)
    asked: list[Any] = []

    class Rules:
        def judge(self, resources: list[Any], configured: Any, *, protected: bool) -> dict[str, Any]:
            asked.append((resources, configured, protected))
            return {"violations": [OLD._asdict() | {"reason": "r"}]}

    @contextlib.contextmanager
    def opened(given: object) -> Generator[Rules]:
        assert given is project
        yield Rules()

    runner = types.ModuleType("filewallball.policy.pack")
    runner.__dict__["opened"] = opened
    package = types.ModuleType("filewallball.policy")
    package.__spec__ = importlib.util.spec_from_loader("filewallball.policy", None)
    monkeypatch.setitem(sys.modules, "filewallball.policy", package)
    monkeypatch.setitem(sys.modules, "filewallball.policy.pack", runner)
    thing = resource("v1/ConfigMap", "a", protect=True)
    assert judged(project, [thing], protected=True) is None
    repo.write("policy/judging.py", "")
    assert judged(project, [thing], protected=True) == [OLD]
    [(resources, configured, protected)] = asked
    assert (configured, protected) == ({}, True)
    assert resources[0]["props"] == thing.props
    assert resources[0]["protect"] is True
