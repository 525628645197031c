"""The workflows: linted, pinned, with the least rights, and each of their own steps run."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path
from typing import Any, cast

import pytest
import yaml

from filewallball import paths
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain.golang import find_go

ROOT = Path(__file__).parents[2]
TOOLS = Path(__file__).parent / "tools"
WORKFLOWS = sorted((ROOT / ".github" / "workflows").glob("*.yml"))
WHOLE = {"ci: Every test", "nightly: Every test, with all variants"}
"""Steps that run everything: this test among it."""
RUN_ELSEWHERE = {
    "ci: Judged by others",
    "preview: Set up",
    "preview: Compare the two trees",
    "preview: Fetch what was rendered",
    "preview: Write the comments, or edit them",
    "preview: Reach the cluster",
    "preview-fork: Find the pull request",
    "preview-fork: Fetch what was rendered",
    "preview-fork: Write the comments, or edit them",
    "deploy: Set up",
    "deploy: Reach the cluster",
    "deploy: Check what was deployed",
    "drift: Set up",
    "drift: Reach the cluster",
    "drift: Preview, which must be empty",
}
"""Those of test_workflow_steps.py, which says the same."""


def load(path: Path) -> dict[str, Any]:
    found: dict[Any, Any] = yaml.safe_load(path.read_text(encoding="utf-8"))
    # YAML takes the key `on` for a truth
    return {"on" if key is True else str(key): value for key, value in found.items()}


def jobs(path: Path) -> dict[str, dict[str, Any]]:
    return cast("dict[str, dict[str, Any]]", load(path)["jobs"])


def steps(path: Path) -> list[dict[str, Any]]:
    return [step for job in jobs(path).values() for step in job["steps"]]


@pytest.fixture(scope="module")
def actionlint() -> Path:
    """The linter, built from its pinned module; once built it stays in the cache."""
    version = re.search(r"rhysd/actionlint (v[\d.]+)", (TOOLS / "go.mod").read_text())
    assert version
    program = paths.cache_dir() / "tools" / f"actionlint-{version[1]}"
    if not program.exists():
        go = find_go((1, 25), Progress())
        call = [str(go.path), "build", "-trimpath", "-o", str(program.with_suffix(".new"))]
        subprocess.run(
            [*call, "github.com/rhysd/actionlint/cmd/actionlint"], cwd=TOOLS, env=go.environment(), check=True
        )
        program.with_suffix(".new").replace(program)
    return program


def lint(actionlint: Path, files: list[Path]) -> subprocess.CompletedProcess[str]:
    shellcheck = shutil.which("shellcheck") or "shellcheck"
    call = [str(actionlint), "-no-color", "-shellcheck", shellcheck, *map(str, files)]
    return subprocess.run(call, capture_output=True, text=True, check=False, cwd=ROOT)


def test_actionlint_finds_nothing(actionlint: Path) -> None:
    found = lint(actionlint, WORKFLOWS)
    assert (found.returncode, found.stdout) == (0, "")


def test_actionlint_finds_what_is_wrong(actionlint: Path, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.yml"
    text = (ROOT / ".github/workflows/drift.yml").read_text()
    wrong.write_text(text.replace("matrix.stack", "matrix.stak").replace('"$STACK"', "$STACK"))
    found = lint(actionlint, [wrong])
    assert found.returncode == 1
    assert 'property "stak" is not defined' in found.stdout
    assert "SC2086" in found.stdout


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_actions_are_pinned_by_commit_and_say_their_version(path: Path) -> None:
    used = re.findall(r"uses: *(.*)", path.read_text(encoding="utf-8"))
    assert len(used) == sum("uses" in step for step in steps(path))
    for each in used:
        assert re.fullmatch(r"[\w-]+/[\w-]+@[0-9a-f]{40} # v\d+\.\d+\.\d+", each), each


def test_one_commit_for_each_action() -> None:
    found = {each for path in WORKFLOWS for each in re.findall(r"uses: *(.*)", path.read_text("utf-8"))}
    assert len(found) == len({each.partition("@")[0] for each in found})


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_rights_are_named_and_no_strangers_code_meets_a_token_that_writes(path: Path) -> None:
    workflow = load(path)
    assert workflow["permissions"] in ({}, {"contents": "read"})
    assert "pull_request_target" not in workflow["on"]
    for name, job in jobs(path).items():
        rights: dict[str, str] = job.get("permissions", {})
        writes = {right for right, level in rights.items() if level == "write"}
        assert writes <= {"pull-requests", "issues", "id-token"}, name
        if "pull_request" in workflow["on"] and writes:
            assert "head.repo.full_name == github.repository" in job["if"], name
        for step in job["steps"]:
            if str(step.get("uses")).startswith("actions/checkout@"):
                assert step["with"]["persist-credentials"] is False
                ref = str(step["with"].get("ref", "default_branch"))
                assert "default_branch" in ref, "a workflow_run must not check out the pull request"


@pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)
def test_no_step_pastes_what_others_wrote_into_a_shell(path: Path) -> None:
    for step in steps(path):
        assert "${{" not in step.get("run", ""), step


def test_prd_waits_for_approval() -> None:
    deploy = jobs(ROOT / ".github/workflows/deploy.yml")["up"]
    assert deploy["environment"] == "${{ matrix.stack }}"
    assert deploy["concurrency"]["cancel-in-progress"] is False
    assert "refs/heads/main" in deploy["if"]


def test_every_step_of_ours_is_run_by_a_test() -> None:
    found = {f"{path.stem}: {step['name']}" for path in WORKFLOWS for step in steps(path) if "run" in step}
    assert found == RUN_ELSEWHERE | WHOLE
    commands = {step["run"] for path in WORKFLOWS for step in steps(path) if "run" in step}
    assert all("\n" not in command for command in commands), (
        "longer ones are scripts, so that they are linted"
    )
