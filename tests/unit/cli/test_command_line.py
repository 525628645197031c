"""The command line itself: its version, and what shells complete."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from made_project import fwb, project


def test_the_version_is_that_of_the_package(tmp_path: Path) -> None:
    from importlib.metadata import version

    done = fwb("--version", folder=tmp_path)
    assert (done.returncode, done.stdout.decode()) == (0, f"fwb {version('filewallball')}\n")


@pytest.mark.parametrize(
    ("words", "expected"),
    [("fwb sand", {"sandbox"}), ("fwb render ", {"dev", "prd"}), ("fwb valkey backup ", {"now", "list"})],
)
def test_a_shell_completes_commands_and_stacks(words: str, expected: set[str], tmp_path: Path) -> None:
    project(tmp_path, stack="prd")
    environment = {
        "_FWB_COMPLETE": "complete_bash",
        "COMP_WORDS": words,
        "COMP_CWORD": str(len(re.findall(" ", words))),
    }
    done = fwb(folder=project(tmp_path), environment=environment)
    assert set(done.stdout.decode().split()) == expected, done.stderr


def test_the_script_for_a_shell_calls_the_console_script(tmp_path: Path) -> None:
    done = fwb(
        "--show-completion",
        "bash",
        folder=tmp_path,
        environment={"_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    )
    assert "complete -o default -F _fwb_completion fwb" in done.stdout.decode()
