"""The product's own images: pushed with packed layers, and saved into one file that container tools take."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from fake_registry import serving

from filewallball.errors import ConfigError
from filewallball.images import own
from filewallball.sandbox import images
from filewallball.sandbox.oci import ImageConfig, add_file, write_archive
from filewallball.sandbox.progress import Progress

QUIET = Progress(lambda _: None)


@pytest.fixture(autouse=True)
def built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, tuple[str, Path]]:
    """Small images in the place of ours, with a layer in common, as ours have."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))

    def filling(text: str) -> Callable[[tarfile.TarFile], None]:
        return lambda tar: add_file(tar, "file", text.encode())

    found: dict[str, tuple[str, Path]] = {}
    for name in own.NAMES:
        reference = f"docker.io/filewallball/{name}:0123456789ab"
        path = tmp_path / f"{name}.tar"
        write_archive(path, reference, ImageConfig(), filling("base"), filling(name * 1000))
        found[name] = (reference, path)
    monkeypatch.setattr(own, "built", lambda _: found)
    return found


def test_they_are_pushed_under_the_tag_of_their_sources() -> None:
    said: list[str] = []
    with serving() as registry:
        assert own.push(f"{registry.name}/team", said.append, QUIET) == 0
        assert {name for name, _ in registry.tags} == {f"team/{name}" for name in own.NAMES}
        for name, line in zip(own.NAMES, said, strict=True):
            content = registry.tags[f"team/{name}", "0123456789ab"]
            digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
            assert line == f"{images.setting_of(name)}: {registry.name}/team/{name}:0123456789ab@{digest}"
            manifest = json.loads(content)
            config = json.loads(registry.blobs[manifest["config"]["digest"]])
            for layer, unpacked in zip(manifest["layers"], config["rootfs"]["diff_ids"], strict=True):
                assert layer["mediaType"].endswith(".tar+gzip")
                packed = registry.blobs[layer["digest"]]
                assert len(packed) == layer["size"]
                assert f"sha256:{hashlib.sha256(gzip.decompress(packed)).hexdigest()}" == unpacked


@pytest.mark.parametrize("knows_referrers", [True, False])
def test_each_is_pushed_with_its_bill_of_materials(knows_referrers: bool) -> None:
    said: list[str] = []
    with serving(knows_referrers=knows_referrers) as registry:
        for _ in range(2):
            own.push(f"{registry.name}/team", said.append, QUIET)
        for name, line in zip(own.NAMES, said[: len(own.NAMES)], strict=True):
            digest = line.rpartition("@")[2]
            stored = {
                tag: json.loads(text) for (of, tag), text in registry.tags.items() if of == f"team/{name}"
            }
            [(about, manifest)] = [(tag, each) for tag, each in stored.items() if "subject" in each]
            assert manifest["subject"]["digest"] == digest
            assert manifest["subject"]["size"] == len(registry.tags[f"team/{name}", "0123456789ab"])
            assert manifest["artifactType"] == "application/vnd.cyclonedx+json"
            bill = json.loads(registry.blobs[manifest["layers"][0]["digest"]])
            assert bill["metadata"]["component"]["name"] == f"docker.io/filewallball/{name}"
            # where a registry keeps no list of referrers, there is one under a tag
            listed = stored.get(digest.replace(":", "-"))
            if knows_referrers:
                assert listed is None
            else:
                assert listed
                assert [each["digest"] for each in listed["manifests"]] == [about]


def test_a_registry_that_refuses_the_bills_gets_the_images() -> None:
    said, told = list[str](), list[str]()
    with serving(takes_referrers=False) as registry:
        assert own.push(f"{registry.name}/team", said.append, Progress(told.append)) == 0
        assert len(said) == len(registry.tags) == len(own.NAMES)
    first, *_ = [line for line in told if line.startswith("warning: ")]
    assert "toolkit is pushed without its bill of materials" in first
    assert "MANIFEST_INVALID" in first


def test_a_second_push_sends_nothing_and_gives_the_same_digests() -> None:
    first, second = list[str](), list[str]()
    with serving() as registry:
        own.push(f"{registry.name}/team/", first.append, QUIET)
        registry.asked.clear()
        own.push(f"{registry.name}/team/", second.append, QUIET)
        assert first == second
        assert not [each for each in registry.asked if each.startswith("POST")]


@pytest.mark.parametrize("where", ["", "/", "ghcr.io/team:1", "ghcr.io/team@sha256:0", "Upper Case/x"])
def test_what_is_no_place_in_a_registry_is_refused(where: str) -> None:
    with pytest.raises(ConfigError):
        own.push(where, print, QUIET)


def test_one_file_holds_all_of_them_with_their_names(
    tmp_path: Path, built: dict[str, tuple[str, Path]]
) -> None:
    said: list[str] = []
    target = tmp_path / "deep" / "images.tar"
    assert own.save(target, said.append, QUIET) == 0
    assert said == [reference for reference, _ in built.values()]
    with tarfile.open(target) as archive:
        names = archive.getnames()
        assert len(names) == len(set(names)), "a layer that two have in common is there once"

        def read(name: str) -> bytes:
            file = archive.extractfile(name)
            assert file
            return file.read()

        for name in names:
            if name.startswith("blobs/"):
                assert hashlib.sha256(read(name)).hexdigest() == name.rpartition("/")[2]
        index: dict[str, Any] = json.loads(read("index.json"))
        found = [each["annotations"]["io.containerd.image.name"] for each in index["manifests"]]
        assert found == said
        for entry, docker in zip(index["manifests"], json.loads(read("manifest.json")), strict=True):
            manifest = json.loads(read(f"blobs/sha256/{entry['digest'].partition(':')[2]}"))
            assert docker["Config"] == f"blobs/sha256/{manifest['config']['digest'].partition(':')[2]}"
            assert [each.rpartition("/")[2] for each in docker["Layers"]] == [
                each["digest"].partition(":")[2] for each in manifest["layers"]
            ]
            assert docker["RepoTags"] == [entry["annotations"]["io.containerd.image.name"]]
            for layer in docker["Layers"]:
                with tarfile.open(fileobj=io.BytesIO(read(layer))) as files:
                    assert files.getnames() == ["file"]
    bills = {f"images.{name}.cdx.json" for name in own.NAMES}
    assert {each.name for each in target.parent.iterdir()} == {"images.tar", *bills}


def test_a_folder_is_no_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is a folder"):
        own.save(tmp_path, print, QUIET)


def test_the_names_are_those_of_the_repository() -> None:
    folder = Path(__file__).parents[3] / "images"
    assert {path.parent.name for path in folder.glob("*/image.yaml")} == set(own.NAMES)
    assert images.own_reference("toolkit").startswith("filewallball/toolkit:")
