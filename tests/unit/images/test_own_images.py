"""The images built here: one list each, said twice; references that change with the sources and only then."""

from __future__ import annotations

import ast
import json
import os
import re
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import images

ROOT = Path(__file__).resolve().parents[3]
NAMES = sorted(path.parent.name for path in ROOT.glob("images/*/image.yaml"))
DEFINITIONS: dict[str, dict[str, Any]] = {
    name: yaml.safe_load((ROOT / f"images/{name}/image.yaml").read_text(encoding="utf-8")) for name in NAMES
}

of_each_image = pytest.mark.parametrize("name", NAMES)
with_requirements = pytest.mark.parametrize("name", [name for name in NAMES if "pip" in DEFINITIONS[name]])


def instructions(name: str) -> list[tuple[str, str]]:
    """(INSTRUCTION, rest) of each of a Dockerfile, with continued lines joined and comments removed."""
    text = (ROOT / f"images/{name}/Dockerfile").read_text(encoding="utf-8")
    lines = "\n".join(line for line in text.splitlines() if not line.lstrip().startswith("#"))
    joined = re.sub(r"\\\n\s*", " ", lines)
    parts = [line.split(None, 1) for line in joined.splitlines() if line.strip()]
    return [(instruction.upper(), rest.strip()) for instruction, rest in parts]


def values(name: str, instruction: str) -> list[str]:
    return [rest for each, rest in instructions(name) if each == instruction]


def test_these_images_are_built_here() -> None:
    assert NAMES == ["agent", "app", "peers", "toolkit"]


@of_each_image
def test_an_image_is_named_after_its_folder(name: str) -> None:
    assert DEFINITIONS[name]["name"] == f"filewallball/{name}"
    assert re.fullmatch(rf"filewallball/{name}:[0-9a-f]{{12}}", images.reference(name))


@of_each_image
def test_the_dockerfile_starts_from_the_same_base(name: str) -> None:
    base = DEFINITIONS[name]["base"]
    assert values(name, "FROM")[0] == f"{base['docker']} AS base"
    assert base["suite"] in base["docker"]


@of_each_image
def test_the_dockerfile_installs_the_same_packages(name: str) -> None:
    install = next(run for run in values(name, "RUN") if "apt-get install" in run)
    words = install.split("--no-install-recommends", 1)[1].split("&&", 1)[0].split()
    assert words == DEFINITIONS[name]["packages"]


@of_each_image
def test_the_dockerfile_excludes_the_same_paths(name: str) -> None:
    [run] = [run for run in values(name, "RUN") if "path-exclude" in run]
    assert re.findall(r"'(/[^']+)'", run) == DEFINITIONS[name]["exclude"]


@with_requirements
def test_the_dockerfile_installs_the_same_requirements(name: str) -> None:
    requirements, target = DEFINITIONS[name]["pip"]["requirements"], DEFINITIONS[name]["pip"]["target"]
    assert f"{requirements} /requirements.txt" in values(name, "COPY")
    [pip] = [run for run in values(name, "RUN") if "pip install" in run]
    for word in ("--require-hashes", "--only-binary=:all:", f"--target {target}", "/requirements.txt"):
        assert word in pip
    assert f"--from=requirements {target} {target}" in values(name, "COPY")


@with_requirements
def test_the_dockerfile_compiles_the_modules_last(name: str) -> None:
    """Containers can't write them. Unchecked, since a layer's times are not those of the sources."""
    [compiled] = [at for at, (_, rest) in enumerate(instructions(name)) if "compileall" in rest]
    last = max(at for at, (each, _) in enumerate(instructions(name)) if each == "COPY")
    target = DEFINITIONS[name]["pip"]["target"]
    words = instructions(name)[compiled][1]
    assert words == f"python3 -m compileall -q --invalidation-mode unchecked-hash {target}"
    assert last < compiled


@of_each_image
def test_the_dockerfile_copies_the_same_files(name: str) -> None:
    copy = DEFINITIONS[name]["copy"]
    copied = [rest for rest in values(name, "COPY") if rest.startswith(("facts", "filewallball/"))]
    assert copied == [f"{path} {copy['to']}/{path}" for path in copy["paths"]]
    for path in copy["paths"]:
        assert (ROOT / path).exists()


@of_each_image
def test_the_dockerfile_runs_the_same_way(name: str) -> None:
    image = DEFINITIONS[name]
    assert dict(re.findall(r"(\w+)=(\S+)", values(name, "ENV")[-1])) == image["env"]
    user = image["user"]
    assert values(name, "USER") == [f"{user['uid']}:{user['gid']}"]
    [account] = [run for run in values(name, "RUN") if "useradd" in run]
    assert f"groupadd --gid {user['gid']} {user['name']} " in account
    assert f"--home-dir {user['home']} " in account
    assert values(name, "WORKDIR") == [image["workdir"]]
    assert json.loads(values(name, "ENTRYPOINT")[0]) == image["entrypoint"]
    assert json.loads(values(name, "CMD")[0]) == image["cmd"]


def pins(text: str) -> dict[str, str]:
    return dict(re.findall(r"(?m)^([a-z0-9-]+)==([^ ;\\]+)", text))


@with_requirements
def test_the_requirements_are_the_projects_own_versions_and_hashed(name: str) -> None:
    text = (ROOT / DEFINITIONS[name]["pip"]["requirements"]).read_text(encoding="utf-8")
    project = pins((ROOT / "requirements-dev.txt").read_text(encoding="utf-8"))
    assert pins(text)
    assert {each: project.get(each) for each in pins(text)} == pins(text), "run `make lock`"
    for block in re.split(r"(?m)^(?=[a-z0-9])", text)[1:]:
        assert "--hash=sha256:" in block
    assert not re.search(r"https?://", text)


@of_each_image
def test_what_docker_may_read_is_what_it_copies(name: str) -> None:
    lines = (ROOT / f"images/{name}/Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    assert lines[0] == "*"
    pip = DEFINITIONS[name].get("pip")
    requirements = {f"!{pip['requirements']}"} if pip else set[str]()
    folders = {f"!{path.partition('/')[0]}" for path in DEFINITIONS[name]["copy"]["paths"]}
    assert set(lines[1:]) == {*folders, *requirements, "**/__pycache__"}


def imports(file: Path) -> set[str]:
    """Every module that a file names in an import, wherever in the file it stands."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            found |= {node.module, *(f"{node.module}.{alias.name}" for alias in node.names)}
    return found


# What may be imported of what pip installs; mypy_boto3_s3 is named for the type checker alone.
INSTALLED = {
    "agent": {"redis"},
    "app": {
        *("alembic", "argon2", "botocore", "fastapi", "jinja2", "prometheus_client", "pydantic"),
        *("pymysql", "python_multipart", "redis", "sqlalchemy", "starlette", "uvicorn", "jsonpath"),
        "mypy_boto3_s3",
        "lmdb",
    },
    "peers": set(),
    "toolkit": {
        *("boto3", "botocore", "httpcore2", "httpx2", "pymysql", "pyrage", "yaml", "redis"),
        *("aiohttp", "multidict", "yarl"),
        *("mypy_boto3_s3", "zlib_ng", "zstandard"),
        "jsonpath",  # only for paths that nothing of the toolkit asks for
        "lmdb",  # only for folders, which nothing of the toolkit opens
    },
}
OURS = {"facts", "filewallball"}
PROGRAMS = [
    ("agent", "filewallball.valkey"),
    ("app", "filewallball.app"),
    ("peers", "filewallball.balancer"),
    ("toolkit", "filewallball.backup"),
    ("toolkit", "filewallball.binlogs"),
    ("toolkit", "filewallball.checks"),
    ("toolkit", "filewallball.drill.load"),
    ("toolkit", "filewallball.drill.load.web"),
    # where a stack names no image for its agents, they run in the toolkit's
    ("toolkit", "filewallball.valkey"),
    ("toolkit", "filewallball.snapshots"),
]


def source(module: str) -> Path | None:
    base = ROOT / module.replace(".", "/")
    return next((file for file in (base.with_suffix(".py"), base / "__init__.py") if file.is_file()), None)


def found_at_run_time(package: str) -> list[str]:
    """The modules of a package that looks for them by itself."""
    if package not in {"facts.checks", "filewallball.checks.suites"}:
        return []
    return [f"{package}.{file.stem}" for file in (ROOT / package.replace(".", "/")).glob("[!_]*.py")]


@pytest.mark.parametrize(("name", "program"), PROGRAMS)
def test_what_runs_in_an_image_imports_only_what_is_in_it(name: str, program: str) -> None:
    copied = tuple(str(ROOT / path) for path in DEFINITIONS[name]["copy"]["paths"])
    seen: set[str] = set()
    waiting = [f"{program}.__main__"]
    while waiting:
        module = waiting.pop()
        file = source(module)
        if module in seen or file is None:
            continue
        seen.add(module)
        assert str(file).startswith(copied), f"{module} is not in the image"
        for each in imports(file):
            first = each.split(".")[0]
            known = {*OURS, *INSTALLED[name], *sys.stdlib_module_names}
            assert first in known, f"{module} imports {each}"
            waiting += [each, *found_at_run_time(each)] if first in OURS else []
    assert len(seen) > 5


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """The images' sources, elsewhere and with other times, beside a file that is in none of them."""
    ignored = shutil.ignore_patterns("__pycache__")
    for name in ("facts", "filewallball", "images"):
        shutil.copytree(ROOT / name, tmp_path / name, ignore=ignored)
    for file in tmp_path.rglob("*"):
        os.utime(file, (1, 1))
    return tmp_path


def references(root: Path = ROOT) -> dict[str, str]:
    images.reference.cache_clear()
    return {name: images.reference(name, root) for name in NAMES}


def test_references_are_the_same_in_every_checkout(checkout: Path) -> None:
    assert references(checkout) == references()
    (checkout / "filewallball/backup/__pycache__").mkdir()
    (checkout / "filewallball/backup/__pycache__/job.pyc").write_bytes(b"x")
    (checkout / "filewallball/new_outside.py").write_text("not in an image", encoding="utf-8")
    assert references(checkout) == references()


def rewritten(path: str) -> Callable[[Path], object]:
    return lambda root: (root / path).open("a", encoding="utf-8").write("# more\n")


@pytest.mark.parametrize(
    "change",
    [
        rewritten("filewallball/backup/job.py"),
        rewritten("images/toolkit/requirements.txt"),
        rewritten("images/toolkit/image.yaml"),
        lambda root: (root / "filewallball/backup/names.py").unlink(),
        lambda root: (root / "filewallball/kube/new.py").write_text("", encoding="utf-8"),
        lambda root: (root / "filewallball/backup/names.py").rename(root / "filewallball/backup/renamed.py"),
    ],
)
def test_every_change_of_a_source_changes_the_reference(checkout: Path, change: Any) -> None:
    before = references(checkout)
    change(checkout)
    after = references(checkout)
    assert after["toolkit"] != before["toolkit"]
    assert after["agent"] == before["agent"]


def sources(*folders: str) -> list[str]:
    return [
        str(file.relative_to(ROOT)) for folder in folders for file in sorted((ROOT / folder).glob("*.py"))
    ]


def test_the_agents_image_changes_with_the_agents_alone(checkout: Path) -> None:
    """A change of its image restarts the session servers, so nothing else may change it."""
    inside = {*sources("filewallball/valkey"), "filewallball/__init__.py"}
    inside |= {"filewallball/encryption.py", "filewallball/errors.py"}
    inside |= {"facts/__init__.py", "facts/pods.py", "facts/tls.py", "facts/valkey.py"}
    inside |= set(sources("filewallball/guard"))
    inside |= {"images/agent/image.yaml", "images/agent/requirements.txt"}
    everything = [path for path in checkout.rglob("*") if path.is_file()]
    changing: set[str] = set()
    before = references(checkout)["agent"]
    for path in everything:
        kept = path.read_bytes()
        path.write_bytes(kept + b"\n")
        images.reference.cache_clear()
        if images.reference("agent", checkout) != before:
            changing.add(path.relative_to(checkout).as_posix())
        path.write_bytes(kept)
    assert changing == inside
