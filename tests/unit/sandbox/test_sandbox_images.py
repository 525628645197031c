"""References, definitions and archives of images."""

from __future__ import annotations

import io
import json
import os
import tarfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from filewallball.errors import UserError
from filewallball.sandbox import builder, debian, host, images, oci
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain import Binaries


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("redis", "docker.io/library/redis:latest"),
        ("redis:7", "docker.io/library/redis:7"),
        ("filewallball/toolkit:1a2b", "docker.io/filewallball/toolkit:1a2b"),
        ("ghcr.io/versity/versitygw:v1.8.0", "ghcr.io/versity/versitygw:v1.8.0"),
        ("localhost:5000/own", "localhost:5000/own:latest"),
        ("redis@sha256:00", "docker.io/library/redis@sha256:00"),
    ],
)
def test_references_in_full(given: str, full: str) -> None:
    assert images.normalise(given) == full


def test_every_definition_says_how_it_is_built_under_its_full_name() -> None:
    known = {
        "program",
        "packages",
        "suite",
        "beside",
        "variant",
        "exclude",
        "links",
        "user",
        "workdir",
        "entrypoint",
        "cmd",
    }
    for reference, definition in images.definitions().items():
        assert images.normalise(reference) == reference
        if model := definition.get("like"):
            assert set(definition) == {"like"}
            assert "like" not in images.definitions()[model]
            continue
        assert ("program" in definition) != ("packages" in definition), reference
        assert set(definition) <= known, reference


def test_what_the_sandbox_runs_itself_is_defined() -> None:
    assert set(images.OWN) <= set(images.definitions())


def test_an_unknown_reference_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="nothing says how to build postgres:17") as caught:
        images.definition("postgres:17")
    assert "docker.io/library/mariadb:10.11" in caught.value.hint
    assert "filewallball/sandbox/images.yaml" in caught.value.hint


@pytest.mark.parametrize("name", ["agent", "peers", "toolkit"])
def test_an_image_of_ours_is_built_from_this_checkouts_definition(name: str) -> None:
    from components.images import reference

    assert images.definition(reference(name))["name"] == f"filewallball/{name}"


@pytest.mark.parametrize(
    ("name", "setting"),
    [("agent", "agent.image"), ("peers", "balancer.peers.image"), ("toolkit", "toolkit.image")],
)
def test_an_image_of_other_sources_is_refused(name: str, setting: str) -> None:
    with pytest.raises(UserError, match=f"isn't the {name} image of this checkout") as caught:
        images.definition(f"filewallball/{name}:000000000000")
    assert f"filewallball:{setting}" in caught.value.hint


def test_an_image_that_only_has_our_name_is_unknown() -> None:
    with pytest.raises(UserError, match="nothing says how to build"):
        images.definition("filewallball/nothing:1")


def test_a_sandbox_keeps_the_newest_of_each_image_of_ours() -> None:
    recorded = [f"docker.io/filewallball/{name}:{n}" for n in range(5) for name in ("agent", "toolkit")]
    recorded += [f"docker.io/library/redis:{n}" for n in range(9)]
    expected = ["docker.io/filewallball/agent:0", "docker.io/filewallball/agent:1"]
    assert images._outdated(recorded, "docker.io/filewallball/agent:4") == expected
    assert images._outdated(recorded, "docker.io/library/redis:8") == []


@pytest.fixture
def built(tmp_path: Path) -> Binaries:
    folder = tmp_path / "node-123"
    folder.mkdir()
    (folder / "pause").write_bytes(b"a program")
    return Binaries(folder)


@dataclass(frozen=True)
class Archive:
    """What an image's archive says and holds."""

    names: list[str]
    entry: dict[str, Any]
    manifest: dict[str, Any]
    config: dict[str, Any]
    layer: bytes


def read_archive(path: Path) -> Archive:
    with tarfile.open(path) as archive:

        def read(name: str) -> bytes:
            file = archive.extractfile(name)
            assert file is not None
            return file.read()

        def blob(digest: str) -> bytes:
            return read(f"blobs/sha256/{digest.removeprefix('sha256:')}")

        entry = json.loads(read("index.json"))["manifests"][0]
        manifest = json.loads(blob(entry["digest"]))
        config = json.loads(blob(manifest["config"]["digest"]))
        return Archive(archive.getnames(), entry, manifest, config, blob(manifest["layers"][0]["digest"]))


def test_an_archive_of_a_program(tmp_path: Path, built: Binaries) -> None:
    target = tmp_path / "pause.tar"
    definition: dict[str, Any] = {
        "program": "pause",
        "entrypoint": ["/pause"],
        "user": {"name": "nobody", "uid": 65535, "gid": 65535},
    }
    builder.build(target, "registry.k8s.io/pause:3.10.1", definition, built, tmp_path)

    found = read_archive(target)
    assert "oci-layout" in found.names
    assert found.entry["annotations"] == {"io.containerd.image.name": "registry.k8s.io/pause:3.10.1"}
    assert found.config["os"] == "linux"
    assert found.config["architecture"] in ("amd64", "arm64")
    assert found.config["config"]["User"] == "65535:65535"
    assert found.config["config"]["Entrypoint"] == ["/pause"]
    labels = found.config["config"]["Labels"]
    assert "FileWallBall's sandbox" in labels["org.opencontainers.image.description"]
    with tarfile.open(fileobj=io.BytesIO(found.layer)) as tree:
        assert tree.getmember("pause").mode == 0o755
        passwd = tree.extractfile("etc/passwd")
        assert passwd is not None
        assert passwd.read() == b"nobody:x:65535:65535::/nonexistent:/usr/sbin/nologin\n"
    assert list(tmp_path.glob("*.layer")) == []


def test_a_copy_of_an_image_differs_in_its_reference_and_title_alone(tmp_path: Path, built: Binaries) -> None:
    source, target = tmp_path / "pause.tar", tmp_path / "copy.tar"
    builder.build(source, "r.test/pause:1", {"program": "pause"}, built, tmp_path)
    builder.copy(source, target, "r.test/pause:2")

    first, second = read_archive(source), read_archive(target)
    assert second.entry["annotations"] == {"io.containerd.image.name": "r.test/pause:2"}
    title = "org.opencontainers.image.title"
    assert (first.manifest["annotations"][title], second.manifest["annotations"][title]) == (
        "r.test/pause:1",
        "r.test/pause:2",
    )
    assert second.layer == first.layer
    # Another image to the runtime, which names an image by its configuration.
    assert second.manifest["config"]["digest"] != first.manifest["config"]["digest"]
    second.config["config"]["Labels"][title] = "r.test/pause:1"
    assert second.config == first.config
    assert list(tmp_path.glob("*.layer")) == []


def test_a_copy_is_made_after_its_model_which_is_built_once(
    tmp_path: Path, built: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, copy = "docker.io/valkey/valkey:8.1", "docker.io/valkey/valkey:8.1-trixie"
    monkeypatch.setenv("FWB_CACHE", str(tmp_path))
    done: list[str] = []

    def build(target: Path, reference: str, *_more: object) -> None:
        done.append(reference)
        target.touch()

    def copied(source: Path, target: Path, reference: str) -> None:
        assert source.exists()
        build(target, reference)

    monkeypatch.setattr(builder, "build", build)
    monkeypatch.setattr(builder, "copy", copied)
    images.build([copy], built, Progress())
    images.build([copy, model], built, Progress())
    assert done == [model, copy]
    assert images.definition(copy)["packages"] == images.definition(model)["packages"]


def test_when_one_fails_those_that_wait_are_not_built(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path, built: Binaries
) -> None:
    monkeypatch.setenv("FWB_CACHE", str(tmp_path))
    begun: list[str] = []

    def build(_target: Path, reference: str, *_more: object) -> None:
        begun.append(reference)
        if len(begun) == 1:
            raise UserError("no room")
        time.sleep(0.3)  # longer than it takes to call the others off

    monkeypatch.setattr(builder, "build", build)
    many = [each for each, how in images.definitions().items() if "cmd" in how]
    assert len(many) > 4
    with pytest.raises(UserError, match="no room"):
        images.build(many, built, Progress())
    assert len(begun) < len(many)


def test_the_archives_name_changes_with_the_programs_build(tmp_path: Path, built: Binaries) -> None:
    other = tmp_path / "node-456"
    other.mkdir()
    (other / "pause").touch()
    reference = "registry.k8s.io/pause:3.10.1"
    assert images.archive(reference, built).name != images.archive(reference, Binaries(other)).name
    assert images.archive(reference, built) == images.archive(reference, built)


def test_a_tree_is_copied_without_leftovers_and_excluded_files(tmp_path: Path) -> None:
    source, target = tmp_path / "tree.tar", tmp_path / "layer.tar"
    kept = ["./usr/bin/redis-server", "./var/lib/redis/keep", "./etc/passwd", "./dev"]
    dropped = [
        "./usr/share/doc/redis/README",
        "./var/lib/apt/lists/x",
        "./dev/null",
        "./usr/share/perl/5/a.pm",
    ]
    with tarfile.open(source, "w") as tar:
        for name in kept + dropped:
            oci.add_file(tar, name, name.encode())
    with tarfile.open(target, "w") as tar:
        replaced = debian.copy_tree(source, tar, ["/usr/share/perl/*"], replaced=["etc/passwd"])
    with tarfile.open(target) as tar:
        assert tar.getnames() == [each for each in kept if each != "./etc/passwd"]
    assert replaced == {"etc/passwd": b"./etc/passwd"}


def write_tree(path: Path, files: dict[str, bytes]) -> Path:
    with tarfile.open(path, "w") as tar:
        for folder in sorted({parent for name in files for parent in map(str, Path(name).parents)} - {"."}):
            oci.add_directory(tar, folder)
        for name, content in files.items():
            oci.add_file(tar, name, content)
    return path


def test_a_layer_holds_what_differs_from_the_one_below(tmp_path: Path) -> None:
    same, old = (
        {"etc/same": b"1", "usr/bin/perl": b"2"},
        {"etc/changed": b"3", "opt/a/b": b"4", "opt/a/c": b"5"},
    )
    below = write_tree(
        tmp_path / "base.tar", {**same, **old, "var/lib/apt/lists/x": b"6", "etc/passwd": b"7"}
    )
    tree = write_tree(
        tmp_path / "tree.tar", {**same, "etc/changed": b"33", "usr/bin/new": b"8", "etc/passwd": b"77"}
    )
    layer = tmp_path / "layer.tar"
    with tarfile.open(layer, "w") as tar:
        kept = debian.copy_tree(tree, tar, ["/usr/bin/perl*"], replaced=["etc/passwd"], on=below)
    assert kept == {"etc/passwd": b"77"}
    with tarfile.open(layer) as tar:
        names = tar.getnames()
    # A removed folder is marked once; what this image leaves out is marked as well.
    assert sorted(names) == [".wh.opt", ".wh.var", "etc/changed", "usr/bin/.wh.perl", "usr/bin/new"]


def test_images_of_one_release_share_their_lowest_layer() -> None:
    on_base = {each for each, how in images.definitions().items() if builder.on_base(how)}
    assert on_base == {
        "docker.io/library/mariadb:10.11",
        "docker.io/library/nginx:1.22",
        "docker.io/library/redis:7.2-bookworm",
    }
    assert builder.on_base({"packages": ["python3"], "suite": debian.SUITE})  # as the toolkit's


def test_a_base_is_unpacked_once_a_day(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made: list[str] = []

    def unpack(target: Path, suite: str, *_more: object) -> None:
        made.append(suite)
        target.write_bytes(b"")

    monkeypatch.setattr(debian, "_mmdebstrap", unpack)
    assert debian.base("bookworm", tmp_path) == debian.base("bookworm", tmp_path)
    assert made == ["bookworm"]
    yesterday = time.time() - 25 * 3600
    os.utime(debian.base("bookworm", tmp_path), (yesterday, yesterday))
    debian.base("bookworm", tmp_path)
    assert made == ["bookworm", "bookworm"]


def test_a_change_of_our_sources_leaves_the_packages_as_they_are(
    tmp_path: Path, built: Binaries, monkeypatch: pytest.MonkeyPatch
) -> None:
    """They are installed again when a package, a requirement or the base below has changed."""
    unpacked: list[Path] = []

    def unpack(target: Path, *_more: object) -> None:
        unpacked.append(target)
        with tarfile.open(target, "w") as tar:
            oci.add_file(tar, "usr/bin/python3", b"x")

    def pip(target: Path, *_more: object) -> None:
        target.mkdir(parents=True)

    monkeypatch.setattr(debian, "_mmdebstrap", unpack)
    monkeypatch.setattr(debian, "unpack", unpack)
    monkeypatch.setattr(debian, "compile_modules", lambda *_: None)
    monkeypatch.setattr(builder, "_install_requirements", pip)
    repository = tmp_path / "repository"
    repository.mkdir()
    (repository / "pinned.txt").write_text("a==1")
    how: dict[str, Any] = {
        "name": "filewallball/tool",
        "packages": ["python3"],
        "pip": {"requirements": "pinned.txt", "target": "/opt/x", "python": "3.11"},
        "copy": {"to": "/opt/x", "paths": ["ours.py"]},
    }

    def build(source: str) -> str:
        (repository / "ours.py").write_text(source)
        target = tmp_path / "images" / "tool.tar"
        builder.build(target, "r.test/tool:1", how, built, repository)
        layers = read_archive(target).manifest["layers"]
        assert len(layers) == 3
        return str(layers[2]["digest"])

    assert build("a = 1") != build("a = 2")
    base, tree = unpacked
    assert base.name == "base-bookworm.tar.new"
    assert tree.name.startswith("tree-tool-")
    (repository / "pinned.txt").write_text("a==2")
    build("a = 2")
    how["packages"] = ["python3", "tzdata"]
    build("a = 2")
    os.utime(tmp_path / "images" / "base-bookworm.tar", (time.time(), time.time()))
    build("a = 2")
    assert len(unpacked) == 5
    assert len(list((tmp_path / "images").glob("tree-*"))) == 1


def test_a_tree_that_cannot_be_unpacked_is_told(tmp_path: Path) -> None:
    (tmp_path / "sources").mkdir()
    with pytest.raises(UserError, match="tar failed while an image was built") as caught:
        debian.compile_modules(tmp_path / "sources", tmp_path / "no-tree.tar")
    assert "room" in caught.value.hint


def test_an_image_of_two_layers_keeps_both_under_another_name(tmp_path: Path) -> None:
    source, target = tmp_path / "a.tar", tmp_path / "b.tar"
    oci.write_archive(
        source,
        "r.test/a:1",
        oci.ImageConfig(),
        lambda tar: oci.add_file(tar, "below", b"1"),
        lambda tar: oci.add_file(tar, "above", b"2"),
    )
    builder.copy(source, target, "r.test/a:2")
    first, second = read_archive(source), read_archive(target)
    assert len(first.manifest["layers"]) == 2
    assert [each["digest"] for each in first.manifest["layers"]] == first.config["rootfs"]["diff_ids"]
    assert second.manifest["layers"] == first.manifest["layers"]
    assert b"below" in second.layer
    assert list(tmp_path.glob("*.layer")) == []


def test_package_versions_are_read_from_dpkg(tmp_path: Path) -> None:
    tree = tmp_path / "tree.tar"
    status = "Package: a\nStatus: install ok installed\nVersion: 1:2-3\n\nPackage: b\nVersion: 4\n"
    with tarfile.open(tree, "w") as tar:
        oci.add_file(tar, "./var/lib/dpkg/status", status.encode())
        # that of a package which is only unpacked
        oci.add_file(tar, "./var/lib/dpkg/status.d/c3.1", b"Package: c3.1\nVersion: 5\n")
        oci.add_file(tar, "./var/lib/dpkg/status-old", b"Package: a\nVersion: 0\n")
    assert debian.versions(tree) == {"a": "1:2-3", "b": "4", "c3.1": "5"}


def test_only_debians_own_archives_are_used_and_for_the_images_suite() -> None:
    lines = [
        "http://mirror.test/debian/|bookworm|main|Debian",
        "http://mirror.test/debian/|bookworm-updates|main|Debian",
        "http://mirror.test/debian/|bookworm|contrib|Debian",
        "http://vendor.test/apt/|stable|main|Vendor",
    ]
    assert debian.sources("\n".join(lines), "bookworm") == [
        "deb http://mirror.test/debian/ bookworm main",
        "deb http://mirror.test/debian/ bookworm-updates main",
    ]
    other = debian.sources("\n".join(lines[:2]), "trixie")
    assert other == [
        "deb http://mirror.test/debian/ trixie main",
        "deb http://mirror.test/debian/ trixie-updates main",
    ]
    assert debian.sources("http://vendor.test/apt/|stable|main|Vendor", "bookworm") == []


def test_an_older_machine_gets_the_keys_of_a_newer_suite(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    installed: list[str] = []

    def upgrade(package: str) -> None:
        installed.append(package)
        (tmp_path / "debian-archive-trixie-stable.gpg").touch()

    monkeypatch.setattr(host, "upgrade", upgrade)
    debian.ensure_keys("trixie", tmp_path)
    debian.ensure_keys("trixie", tmp_path)
    assert installed == ["debian-archive-keyring"]


def test_a_machine_whose_archive_has_no_keys_of_a_suite_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(host, "upgrade", lambda _package: None)
    with pytest.raises(UserError, match="doesn't know the keys of Debian trixie"):
        debian.ensure_keys("trixie", tmp_path)
