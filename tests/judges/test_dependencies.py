"""No dependency has a vulnerability that is known, as far as pip-audit can learn of any where this runs.

It asks the index of PyPI for each package; an index that has packages alone knows of none, and then there is
nothing to judge by.
"""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.judges import programs
from tests.judges.suppressions import Finding, left, read

ROOT = Path(__file__).parents[2]
FILES = [
    ROOT / "requirements.txt",
    ROOT / "requirements-dev.txt",
    *sorted((ROOT / "images").glob("*/requirements.txt")),
    *(programs.requirements(name) for name in programs.PYTHON),
    ROOT / "filewallball" / "sandbox" / "toolchain" / "go-requirements.txt",
]


def audited(program: Path, file: Path) -> tuple[int, list[Finding]]:
    """How many packages of the file were looked up, and what was found."""
    call = [str(program), "--disable-pip", "--progress-spinner", "off", "--format", "json"]
    done = subprocess.run([*call, "-r", str(file)], capture_output=True, text=True, check=False)
    if not done.stdout:
        pytest.skip(f"pip-audit reaches no database from here: {done.stderr.strip().splitlines()[-1][:200]}")
    packages = [each for each in json.loads(done.stdout)["dependencies"] if "vulns" in each]
    where = file.relative_to(ROOT)
    return len(packages), [
        Finding(one["id"], f"{where} {each['name']} {each['version']}", f"fixed in {one['fix_versions']}")
        for each in packages
        for one in each["vulns"]
    ]


@pytest.mark.nightly
def test_no_dependency_has_a_known_vulnerability(judge: Callable[[str], Path]) -> None:
    program = judge("pip-audit")
    found: list[Finding] = []
    for file in FILES:
        count, more = audited(program, file)
        if not count:
            pytest.skip("pip-audit: the index that this machine reaches has no list of vulnerabilities")
        found += more
    wrong = left(found, read("pip-audit"))
    assert not wrong, "\n".join(wrong)


def test_every_file_of_requirements_is_read() -> None:
    call = ["git", "ls-files", "*requirements*.txt"]
    done = subprocess.run(call, cwd=ROOT, capture_output=True, text=True, check=True)
    assert {str(file.relative_to(ROOT)) for file in FILES} == set(done.stdout.split())
