"""The base install: an application gets the storage and what that needs, and nothing of the toolkit."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tomllib
import venv
from importlib.metadata import Distribution, distribution
from pathlib import Path

import pytest
from packaging.requirements import Requirement

ROOT = Path(__file__).parents[2]
BASE = {"filewallball", "lmdb", "redis"}
OURS: list[str] = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"][
    "dependencies"
]
OLD_PYTHON = {"async-timeout"}
"""What redis-py needs below Python 3.11.3."""


def needed(name: str, extras: frozenset[str] = frozenset()) -> dict[str, Distribution]:
    """A package and all that it needs here, by name."""
    found: dict[str, Distribution] = {}
    waiting = [(name, extras)]
    while waiting:
        each, wanted = waiting.pop()
        if each not in found:
            found[each] = distribution(each)
            lines = OURS if each == "filewallball" else found[each].requires or ()
            for line in lines:
                requirement = Requirement(line)
                marker = requirement.marker
                if not marker or any(marker.evaluate({"extra": extra}) for extra in ("", *wanted)):
                    plain = re.sub(r"[-_.]+", "-", requirement.name).lower()
                    waiting.append((plain, frozenset(requirement.extras)))
    return found


@pytest.fixture(scope="module")
def fresh(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of an environment with the base install alone, made of links to what is installed here."""
    folder = tmp_path_factory.mktemp("fresh")
    venv.create(folder, with_pip=False, symlinks=True)
    site = next(folder.glob("lib/python3*/site-packages"))
    (site / "filewallball").symlink_to(ROOT / "filewallball")
    (site / "filewallball.dist-info").mkdir()
    (site / "filewallball.dist-info" / "METADATA").write_text("Name: filewallball\nVersion: 0\n")
    for name, package in needed("filewallball").items():
        if name != "filewallball":
            places = {file.parts[0] for file in package.files or () if ".." not in file.parts}
            for place in places - {"__pycache__"}:
                (site / place).symlink_to(str(package.locate_file(place)))
    return folder / "bin" / "python"


def run(python: Path, *words: str) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1"}
    command = [str(python), *words]
    return subprocess.run(command, env=environment, capture_output=True, text=True, check=False, cwd="/")


def test_the_base_install_is_the_storage_and_its_two_libraries() -> None:
    assert set(needed("filewallball")) - OLD_PYTHON == BASE


def test_a_fresh_environment_has_these_packages_alone(fresh: Path) -> None:
    listing = "import importlib.metadata as m; print(*sorted({d.name for d in m.distributions()}))"
    done = run(fresh, "-c", listing)
    assert set(done.stdout.split()) - OLD_PYTHON == BASE, done.stderr


def test_every_module_of_the_storage_can_be_imported_there(fresh: Path) -> None:
    files = sorted((ROOT / "filewallball/storage").rglob("*.py"))
    names = [".".join(file.relative_to(ROOT).with_suffix("").parts) for file in files]
    names = [name.removesuffix(".__init__") for name in names if not name.endswith("__main__")]
    assert "filewallball.storage.sessions" in names
    done = run(fresh, "-c", f"import {', '.join(names)}")
    assert (done.returncode, done.stderr) == (0, "")


def test_fwb_says_in_one_sentence_what_to_install(fresh: Path) -> None:
    done = run(fresh, "-m", "filewallball.cli", "--help")
    assert done.returncode == 2
    assert done.stderr == "fwb: The toolkit is not installed. Run: pip install 'filewallball[toolkit]'\n"


@pytest.mark.nightly
def test_pip_installs_the_same_packages(tmp_path: Path) -> None:
    uv = [str(Path(sys.executable).with_name("uv")), "--quiet"]
    subprocess.run([*uv, "venv", str(tmp_path / "env")], check=True)
    python = ["--python", str(tmp_path / "env")]
    subprocess.run([*uv, "pip", "install", *python, str(ROOT)], check=True)
    listing = [*uv, "pip", "list", *python, "--format", "freeze"]
    done = subprocess.run(listing, check=True, capture_output=True, text=True)
    assert {line.split("==")[0] for line in done.stdout.split()} - OLD_PYTHON == BASE
