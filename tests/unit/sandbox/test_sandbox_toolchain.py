"""Where the programs come from: modules, keys, and which Go builds them."""

from __future__ import annotations

import json
import re
from dataclasses import replace
from pathlib import Path

import pulumi_kubernetes
import pytest

from filewallball.errors import UserError
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain import build, estimate, golang
from filewallball.sandbox.toolchain.sources import PULUMI_CLI, PULUMI_KUBERNETES, SANDBOX, Sources


def test_versions_agree_with_the_images_that_carry_the_programs() -> None:
    references = (SANDBOX.directory.parent / "images.yaml").read_text()
    assert SANDBOX.module_version("k8s.io/kubernetes").startswith("v1.36.")
    for module, image in (
        ("github.com/coredns/coredns", "registry.k8s.io/coredns/coredns"),
        ("github.com/versity/versitygw", "ghcr.io/versity/versitygw"),
    ):
        assert f"{image}:{SANDBOX.module_version(module)}" in references
    with pytest.raises(KeyError):
        SANDBOX.module_version("example.com/none")


@pytest.mark.parametrize("sources", [SANDBOX, PULUMI_CLI, PULUMI_KUBERNETES], ids=lambda each: each.name)
def test_every_program_comes_from_a_package_that_is_built(sources: Sources) -> None:
    """One module: what two programs share has one version, and is compiled once."""
    assert [path.parent for path in sources.directory.rglob("go.mod")] == [sources.directory]
    own = {each.name for each in sources.directory.iterdir() if list(each.glob("main.go"))}
    modules = (sources.directory / "go.mod").read_text()
    tools = re.findall(r"^tool (?:\(\n(.*?)^\)|(\S+)$)", modules, re.MULTILINE | re.DOTALL)
    paths = [each for found in tools for each in "".join(found).split()]
    # A later major version ends the package's path; what is before names the program.
    named = {re.sub(r"/v\d+$", "", each).rpartition("/")[2] for each in paths}
    assert own | named == set(sources.programs)
    assert {f"./{each}" for each in own} | ({"tool"} if named else set()) == set(sources.packages)
    assert set(sources.links.values()) <= set(sources.programs)
    assert not set(sources.links) & set(sources.programs)


def test_a_key_changes_with_sources_modules_and_go(tmp_path: Path) -> None:
    sources = replace(SANDBOX, directory=tmp_path)
    modules, program = tmp_path / "go.mod", tmp_path / "own" / "main.go"
    modules.write_text("module g\nrequire k8s.io/kubernetes v1.36.3\n")
    keys = {sources.key("go1.26.8"), sources.key("go1.26.9")}
    program.parent.mkdir()
    program.write_text("package main\n")
    keys.add(sources.key("go1.26.8"))
    modules.write_text("module g\nrequire k8s.io/kubernetes v1.36.4\n")
    keys.add(sources.key("go1.26.8"))
    (program.parent / "main_test.go").write_text("not built\n")
    (tmp_path / "build.py").write_text("not built\n")
    keys.add(sources.key("go1.26.8"))
    assert len(keys) == 4
    assert all(key.startswith("programs-") for key in keys)


def test_the_provider_says_the_version_of_the_sdk() -> None:
    plugin = json.loads((Path(pulumi_kubernetes.__file__).parent / "pulumi-plugin.json").read_text())
    main = PULUMI_KUBERNETES.directory / "pulumi-resource-kubernetes" / "main.go"
    assert f'version = "{plugin["version"]}"' in main.read_text()


def fake_go(folder: Path, version: str) -> Path:
    folder.mkdir(parents=True)
    program = folder / "go"
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    return program


def test_go_on_path_is_used_if_it_is_new_enough(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = fake_go(tmp_path / "new", "go1.26.8")
    monkeypatch.setenv("PATH", str(program.parent))
    found = golang.find_go((1, 26, 0), Progress(lambda _line: None))
    assert (found.path, found.version) == (program, "go1.26.8")


def test_an_older_go_gives_way_to_the_wheel(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", str(fake_go(tmp_path / "old", "go1.19.8").parent))
    monkeypatch.setenv("FWB_CACHE", str(tmp_path / "cache"))

    def install(target: Path, _progress: Progress) -> None:
        fake_go(target / "go" / "bin", "go1.26.6")

    monkeypatch.setattr(golang, "_install", install)
    found = golang.find_go((1, 26, 0), Progress(lambda _line: None))
    assert found.version == "go1.26.6"
    assert found.path.is_relative_to(tmp_path / "cache")
    with pytest.raises(UserError, match=r"no Go 1\.99\.0 or newer"):
        golang.find_go((1, 99, 0), Progress(lambda _line: None))


def test_settings_of_the_caller_do_not_change_what_is_built(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GOFLAGS", "-tags=other")
    monkeypatch.setenv("GOOS", "windows")
    monkeypatch.setenv("GOPROXY", "https://proxy.test")
    environment = golang.Go(Path("/go"), "go1.26.8").environment()
    assert environment["GOFLAGS"] == "-mod=readonly -buildvcs=false"
    assert "GOOS" not in environment
    assert environment["GOPROXY"] == "https://proxy.test"


def scripted_go(folder: Path, script: str) -> tuple[golang.Go, Sources]:
    """A Go that runs `script` in its place, and a module with nothing in it."""
    program = fake_go(folder / "go", "x")
    program.write_text(f"#!/bin/sh\n{script}\n")
    (folder / "module").mkdir()
    (folder / "module" / "go.mod").write_text("module g\nrequire k8s.io/kubernetes v1.36.3\n")
    (folder / "module" / "go.sum").write_text("a v1 h1:x\na v1/go.mod h1:x\nb v1/go.mod h1:x\n")
    (folder / "bin").mkdir()
    return golang.Go(program, "go1"), replace(SANDBOX, directory=folder / "module")


@pytest.mark.parametrize("step", ["list", "build"])
def test_a_failed_build_leaves_nothing_and_says_why(tmp_path: Path, step: str) -> None:
    script = f"[ $1 = {step} ] || exit 0; echo 'dial tcp: no route to host' >&2; exit 1"
    go, sources = scripted_go(tmp_path, script)
    with pytest.raises(UserError, match="no route to host") as caught:
        build.build(go, tmp_path / "bin" / "programs-1", Progress(lambda _line: None), sources)
    assert "GOPROXY" in caught.value.hint
    assert list((tmp_path / "bin").iterdir()) == []


def test_the_build_says_how_far_it_is_of_all_packages(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(estimate, "REPORT_EVERY", 0.0)
    programs = " ".join(SANDBOX.programs)
    script = f"""
        echo "$1 threads=$GOMAXPROCS collector=$GOGC" >> "${{0%/*}}/calls"
        echo go: downloading a v1
        case $1 in
        list) printf 'p1\\np2\\np3\\n' ;;
        build) for program in {programs}; do : > "${{0%/*}}/../bin/$(ls "${{0%/*}}/../bin")/$program"; done
               printf 'p1\\np2\\n' ;;
        esac"""
    monkeypatch.delenv("GOMAXPROCS", raising=False)
    monkeypatch.delenv("GOGC", raising=False)
    go, sources = scripted_go(tmp_path, script)
    said: list[str] = []
    build.build(go, tmp_path / "bin" / "programs-1", Progress(said.append), sources)
    assert any(
        re.search(r"downloading .*: 1 of 1 modules, about \d+ s left, now a v1", each) for each in said
    )
    assert any(re.search(r"building .*: 2 of 3 packages, about \d+ s left, now p2", each) for each in said)
    assert (tmp_path / "bin" / "programs-1" / "kubelet").readlink() == Path("kubernetes")
    # Downloads may use all processors; compilers run side by side instead.
    calls = (tmp_path / "go" / "calls").read_text().splitlines()
    assert calls == ["list threads= collector=off", "build threads=1 collector=off"]


def test_an_estimate_is_made_from_what_is_done_of_the_total() -> None:
    moments = iter([0.0, 5.0, 30.0, 35.0, 60.0, 90.0])
    said: list[str] = []
    found = estimate.Estimate(10, "packages", lambda: next(moments))
    for name in "abcde":
        found.advance(said.append, name)
    # After 30, 60 and 90 s; 5 s since the last report are too few.
    assert said == [
        "2 of 10 packages, about 2 min left, now b",
        "4 of 10 packages, about 2 min left, now d",
        "5 of 10 packages, about 2 min left, now e",
    ]


@pytest.mark.parametrize(
    ("seconds", "text"), [(0, "about 10 s"), (42, "about 40 s"), (100, "about 2 min"), (600, "about 10 min")]
)
def test_durations_are_rough(seconds: float, text: str) -> None:
    assert estimate.duration(seconds) == text


def test_the_pinned_wheel_is_new_enough_for_every_module() -> None:
    wheel = tuple(int(part) for part in golang.wheel_version().split("."))
    for sources in (SANDBOX, PULUMI_CLI, PULUMI_KUBERNETES):
        assert wheel >= sources.go_needed()
