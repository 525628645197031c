"""References, definitions and archives of images."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path
from typing import Any

import pytest

from filewallball.errors import UserError
from filewallball.sandbox import builder, debian, images, oci
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
        assert ("program" in definition) != ("packages" in definition), reference
        assert set(definition) <= known, reference


def test_what_the_sandbox_runs_itself_is_defined() -> None:
    assert set(images.OWN) <= set(images.definitions())


def test_an_unknown_reference_is_refused_with_the_known_ones() -> None:
    with pytest.raises(UserError, match="nothing says how to build postgres:17") as caught:
        images.definition("postgres:17")
    assert "docker.io/library/mariadb:10.11" in caught.value.hint
    assert "filewallball/sandbox/images.yaml" in caught.value.hint


def test_a_toolkit_of_other_sources_is_refused() -> None:
    with pytest.raises(UserError, match="isn't the toolkit of this checkout"):
        images.definition("filewallball/toolkit:000000000000")


@pytest.fixture
def built(tmp_path: Path) -> Binaries:
    folder = tmp_path / "node-123"
    folder.mkdir()
    (folder / "pause").write_bytes(b"a program")
    return Binaries([folder], "v1.36.3")


def test_an_archive_of_a_program(tmp_path: Path, built: Binaries) -> None:
    target = tmp_path / "pause.tar"
    definition: dict[str, Any] = {
        "program": "pause",
        "entrypoint": ["/pause"],
        "user": {"name": "nobody", "uid": 65535, "gid": 65535},
    }
    builder.build(target, "registry.k8s.io/pause:3.10.1", definition, built, tmp_path)

    with tarfile.open(target) as archive:
        names = archive.getnames()

        def read(digest: str) -> bytes:
            file = archive.extractfile(f"blobs/sha256/{digest.removeprefix('sha256:')}")
            assert file is not None
            return file.read()

        index_file = archive.extractfile("index.json")
        assert index_file is not None
        entry = json.load(index_file)["manifests"][0]
        manifest = json.loads(read(entry["digest"]))
        config = json.loads(read(manifest["config"]["digest"]))
        layer = read(manifest["layers"][0]["digest"])
    assert "oci-layout" in names
    assert entry["annotations"] == {"io.containerd.image.name": "registry.k8s.io/pause:3.10.1"}
    assert config["os"] == "linux"
    assert config["architecture"] in ("amd64", "arm64")
    assert config["config"]["User"] == "65535:65535"
    assert config["config"]["Entrypoint"] == ["/pause"]
    assert "FileWallBall's sandbox" in config["config"]["Labels"]["org.opencontainers.image.description"]
    with tarfile.open(fileobj=io.BytesIO(layer)) as tree:
        assert tree.getmember("pause").mode == 0o755
        passwd = tree.extractfile("etc/passwd")
        assert passwd is not None
        assert passwd.read() == b"nobody:x:65535:65535::/nonexistent:/usr/sbin/nologin\n"
    assert list(tmp_path.glob("*.layer")) == []


def test_the_archives_name_changes_with_the_programs_build(tmp_path: Path, built: Binaries) -> None:
    other = tmp_path / "node-456"
    other.mkdir()
    (other / "pause").touch()
    reference = "registry.k8s.io/pause:3.10.1"
    assert images.archive(reference, built).name != images.archive(reference, Binaries([other], "v1")).name
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


def test_package_versions_are_read_from_dpkg(tmp_path: Path) -> None:
    tree = tmp_path / "tree.tar"
    status = "Package: a\nStatus: install ok installed\nVersion: 1:2-3\n\nPackage: b\nVersion: 4\n"
    with tarfile.open(tree, "w") as tar:
        oci.add_file(tar, "./var/lib/dpkg/status", status.encode())
    assert debian.versions(tree) == {"a": "1:2-3", "b": "4"}


def test_only_debians_own_archives_are_used_and_for_the_images_suite() -> None:
    lines = [
        "http://mirror.test/debian/|bookworm|main|Debian",
        "http://mirror.test/debian/|bookworm-updates|main|Debian",
        "http://mirror.test/debian/|bookworm|contrib|Debian",
        "http://vendor.test/apt/|stable|main|Vendor",
    ]
    assert debian.sources("\n".join(lines)) == [
        "deb http://mirror.test/debian/ bookworm main",
        "deb http://mirror.test/debian/ bookworm-updates main",
    ]
    newer = debian.sources("http://mirror.test/debian/|trixie|main|Debian")
    assert newer == ["deb http://mirror.test/debian/ bookworm main"]
    assert debian.sources("http://vendor.test/apt/|stable|main|Vendor") == []
