"""The toolkit image: one list, said twice, and a reference that changes exactly when the sources do."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from components.images import toolkit_reference

ROOT = Path(__file__).resolve().parents[3]
IMAGE: dict[str, Any] = yaml.safe_load((ROOT / "images/toolkit/image.yaml").read_text())
DOCKERFILE = (ROOT / "images/toolkit/Dockerfile").read_text()


def instructions(text: str) -> list[tuple[str, str]]:
    """(INSTRUCTION, rest) of each instruction, with continued lines joined and comments removed."""
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    parts = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(name.upper(), rest.strip()) for name, rest in parts]


def values(instruction: str, text: str = DOCKERFILE) -> list[str]:
    return [rest for name, rest in instructions(text) if name == instruction]


def test_the_dockerfile_starts_from_the_same_base() -> None:
    assert values("FROM")[0] == f"{IMAGE['base']['docker']} AS base"
    assert IMAGE["base"]["suite"] in IMAGE["base"]["docker"]


def test_the_dockerfile_installs_the_same_packages() -> None:
    [install] = [run for run in values("RUN") if "mariadb-client" in run and "apt-get install" in run]
    words = install.split("--no-install-recommends", 1)[1].split("&&", 1)[0].split()
    assert words == IMAGE["packages"]


def test_the_dockerfile_excludes_the_same_paths() -> None:
    [run] = [run for run in values("RUN") if "path-exclude" in run]
    assert re.findall(r"'(/[^']+)'", run) == IMAGE["exclude"]


def test_the_dockerfile_installs_the_same_requirements() -> None:
    requirements, target = IMAGE["pip"]["requirements"], IMAGE["pip"]["target"]
    assert f"{requirements} /requirements.txt" in values("COPY")
    [pip] = [run for run in values("RUN") if "pip install" in run]
    for word in ("--require-hashes", "--only-binary=:all:", f"--target {target}", "/requirements.txt"):
        assert word in pip
    assert f"--from=requirements {target} {target}" in values("COPY")


def test_the_dockerfile_copies_the_same_files() -> None:
    copied = [rest for rest in values("COPY") if rest.startswith("filewallball/")]
    assert copied == [f"{path} {IMAGE['copy']['to']}/{path}" for path in IMAGE["copy"]["paths"]]


def test_the_dockerfile_runs_the_same_way() -> None:
    assert dict(re.findall(r"(\w+)=(\S+)", values("ENV")[-1])) == IMAGE["env"]
    user = IMAGE["user"]
    assert values("USER") == [f"{user['uid']}:{user['gid']}"]
    assert values("WORKDIR") == [IMAGE["workdir"]]
    assert json.loads(values("ENTRYPOINT")[0]) == IMAGE["entrypoint"]
    assert json.loads(values("CMD")[0]) == IMAGE["cmd"]


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([a-z0-9-]+)==([^ ;\\]+)", text))


def test_the_requirements_are_the_projects_own_versions_and_hashed() -> None:
    text = (ROOT / IMAGE["pip"]["requirements"]).read_text()
    project = pins((ROOT / "requirements.txt").read_text())
    assert pins(text)
    assert {name: project.get(name) for name in pins(text)} == pins(text), "run `make lock`"
    for block in re.split(r"(?m)^(?=[a-z0-9])", text)[1:]:
        assert "--hash=sha256:" in block
    assert not re.search(r"https?://", text)


def imports(file: Path) -> set[str]:
    """Every module that a file names in an import, wherever in the file it stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


PROGRAMS = ("backup", "checks", "drill.load", "valkey", "valkey.snapshots")


def source(module: str) -> Path | None:
    base = ROOT / module.replace(".", "/")
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


@pytest.mark.parametrize(
    "entry",
    [f"filewallball.{name}.__main__" for name in PROGRAMS],
)
def test_what_runs_in_the_image_imports_only_what_is_in_it(entry: str) -> None:
    # mypy_boto3_s3 is named for the type checker alone.
    installed = {"boto3", "botocore", "lightkube", "httpx2", "pymysql", "yaml", "redis", "mypy_boto3_s3"}
    copied = tuple(str(ROOT / path) for path in IMAGE["copy"]["paths"])
    seen: set[str] = set()
    waiting = [entry]
    while waiting:
        module = waiting.pop()
        file = source(module)
        if module in seen or file is None:
            continue
        seen.add(module)
        assert str(file).startswith(copied), f"{module} is not in the image"
        for name in imports(file):
            first = name.split(".")[0]
            assert first in {"filewallball", *installed, *sys.stdlib_module_names}, f"{module} imports {name}"
            waiting += [name] if first == "filewallball" else []
    assert len(seen) > 5


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The image's sources, elsewhere and with other times."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ["images/toolkit/image.yaml", IMAGE["pip"]["requirements"], *IMAGE["copy"]["paths"]]:
        target = tmp_path / name
        target.parent.mkdir(parents=True, exist_ok=True)
        if (ROOT / name).is_dir():
            shutil.copytree(ROOT / name, target, ignore=ignored)
        else:
            shutil.copyfile(ROOT / name, target)
    for file in tmp_path.rglob("*"):
        os.utime(file, (1, 1))
    return tmp_path


def test_the_reference_is_the_same_in_every_checkout(checkout: Path) -> None:
    assert re.fullmatch(r"filewallball/toolkit:[0-9a-f]{12}", toolkit_reference())
    assert toolkit_reference(checkout) == toolkit_reference()
    (checkout / "filewallball/backup/__pycache__").mkdir()
    (checkout / "filewallball/backup/__pycache__/job.pyc").write_bytes(b"x")
    (checkout / "filewallball/cli.py").write_text("not in the image")
    toolkit_reference.cache_clear()
    assert toolkit_reference(checkout) == toolkit_reference()


@pytest.mark.parametrize(
    "change",
    [
        lambda root: (root / "filewallball/backup/job.py").write_text("changed"),
        lambda root: (root / "filewallball/backup/names.py").unlink(),
        lambda root: (root / "filewallball/kube/new.py").write_text(""),
        lambda root: (root / "filewallball/backup/names.py").rename(root / "filewallball/backup/renamed.py"),
        lambda root: (root / "images/toolkit/requirements.txt").write_text("x"),
        lambda root: (root / "images/toolkit/image.yaml").open("a").write("# more\n"),
    ],
)
def test_every_change_of_a_source_changes_the_reference(checkout: Path, change: Any) -> None:
    before = toolkit_reference(checkout)
    toolkit_reference.cache_clear()
    change(checkout)
    assert toolkit_reference(checkout) != before
    toolkit_reference.cache_clear()
