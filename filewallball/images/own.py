"""The product's own images, built without Docker: pushed to a registry, or saved into one file."""

from __future__ import annotations

import gzip
import hashlib
import json
import shutil
import tarfile
import tempfile
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import replace
from pathlib import Path
from typing import IO, Any

from filewallball.errors import ConfigError
from filewallball.images import sbom
from filewallball.registry import Reference, Registry, RegistryError
from filewallball.registry.client import INDEX
from filewallball.sandbox import images
from filewallball.sandbox.oci import add_file
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain import Binaries

NAMES = ("toolkit", "agent", "app", "peers")
"""Those that the repository defines, in images/<name>."""
_GZIP_LAYER = "application/vnd.oci.image.layer.v1.tar+gzip"
_CHUNK_BYTES = 2**20
_NAME = "io.containerd.image.name"
_REF = "org.opencontainers.image.ref.name"


def references() -> dict[str, str]:
    """Name → its reference in this checkout."""
    return {name: images.normalise(images.own_reference(name)) for name in NAMES}


def built(progress: Progress) -> dict[str, tuple[str, Path]]:
    """Name → its reference in this checkout, and its archive; they are made where they are missing."""
    wanted = references()
    none = Binaries(Path())  # no program of the toolchain is in them, so it needn't be built
    images.build(wanted.values(), none, progress)
    return {name: (reference, images.archive(reference, none)) for name, reference in wanted.items()}


def push(where: str, say: Callable[[str], None], progress: Progress) -> int:
    """Push each to `where`/<name>, with the tag that its sources give it and its bill of materials.

    Prints each setting as it is to be written. Returns the exit code. Raises ConfigError for no place in a
    registry, UserError where one refuses.
    """
    if "@" in where or ":" in where.rpartition("/")[2] or not where.strip("/"):
        raise ConfigError(
            f"{where!r} is no place for images in a registry", "Write REGISTRY/PREFIX, such as ghcr.io/team."
        )
    targets = {name: Reference.parse(f"{where.rstrip('/')}/{name}") for name in NAMES}
    for name, (reference, archive) in built(progress).items():
        image = replace(targets[name], tag=reference.rpartition(":")[2])
        with progress.step(f"pushing {image}"), Registry(image, push=True) as registry:
            subject = _push(registry, archive, image.tag)
            try:
                registry.attach(subject, sbom.MEDIA_TYPE, sbom.of(reference, archive))
            except RegistryError as error:
                progress.say(
                    f"warning: {name} is pushed without its bill of materials: {error.message}\n"
                    "  Write it with `fwb images sbom FOLDER`, or push to a registry that knows OCI 1.1."
                )
        say(f"{images.setting_of(name)}: {image}@{subject['digest']}")
    return 0


def _push(registry: Registry, archive: Path, tag: str) -> dict[str, Any]:
    """The pushed manifest, as others refer to it."""
    with tarfile.open(archive) as source, tempfile.TemporaryDirectory() as scratch:
        manifest = _manifest(source)
        config = _read(source, manifest["config"]["digest"])
        layers = [
            _push_layer(registry, source, layer["digest"], Path(scratch) / "layer")
            for layer in manifest["layers"]
        ]
        registry.push_blob(manifest["config"]["digest"], config)
        return registry.push_manifest(tag, {**manifest, "layers": layers})


def _push_layer(registry: Registry, source: tarfile.TarFile, digest: str, packed: Path) -> dict[str, Any]:
    """The layer as it lies in the registry: packed, always to the same bytes."""
    with packed.open("wb") as raw, gzip.GzipFile("", "wb", compresslevel=6, fileobj=raw, mtime=0) as file:
        shutil.copyfileobj(_open(source, digest), file, _CHUNK_BYTES)
    with packed.open("rb") as file:
        name = f"sha256:{hashlib.file_digest(file, 'sha256').hexdigest()}"
    registry.push_blob(name, packed)
    return {"mediaType": _GZIP_LAYER, "digest": name, "size": packed.stat().st_size}


def save(target: Path, say: Callable[[str], None], progress: Progress) -> int:
    """Write all of them into one archive, under the names that a stack asks for. Returns the exit code.

    It is an OCI layout for containerd (`ctr`, k3s, kind), with what `docker load` reads in it. The bill of
    materials of each image is written beside it.
    """
    if target.is_dir():
        raise ConfigError(f"{target} is a folder", "Name the file that is to be written.")
    target.parent.mkdir(parents=True, exist_ok=True)
    found = built(progress)
    temporary = target.with_name(f"{target.name}.new")
    try:
        with progress.step(f"writing {target}"), ExitStack() as stack:
            sources = {ref: stack.enter_context(tarfile.open(path)) for ref, path in found.values()}
            with tarfile.open(temporary, "w") as archive:
                _write(archive, sources)
        temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    for name, (reference, path) in found.items():
        bill = target.with_name(f"{target.stem}.{name}{sbom.SUFFIX}")
        bill.write_bytes(sbom.of(reference, path))
        progress.say(f"{name}, its bill of materials: {bill}")
        say(reference)
    return 0


def _write(archive: tarfile.TarFile, sources: dict[str, tarfile.TarFile]) -> None:
    entries: list[dict[str, Any]] = []
    for_docker: list[dict[str, Any]] = []
    written: set[str] = set()
    for reference, source in sources.items():
        entry = json.loads(_open_name(source, "index.json").read())["manifests"][0]
        manifest = _manifest(source)
        for digest in [entry["digest"], *(each["digest"] for each in _parts(manifest))]:
            if digest not in written:
                written.add(digest)
                archive.addfile(source.getmember(_blob(digest)), _open(source, digest))
        entries.append({**entry, "annotations": {_NAME: reference, _REF: reference}})
        for_docker.append(
            {
                "Config": _blob(manifest["config"]["digest"]),
                "RepoTags": [reference],
                "Layers": [_blob(each["digest"]) for each in manifest["layers"]],
            }
        )
    index = {"schemaVersion": 2, "mediaType": INDEX, "manifests": entries}
    add_file(archive, "index.json", json.dumps(index).encode())
    add_file(archive, "manifest.json", json.dumps(for_docker).encode())
    add_file(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')


def _manifest(source: tarfile.TarFile) -> dict[str, Any]:
    entry = json.loads(_open_name(source, "index.json").read())["manifests"][0]
    return json.loads(_read(source, entry["digest"]))


def _parts(manifest: dict[str, Any]) -> list[dict[str, Any]]:
    return [manifest["config"], *manifest["layers"]]


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _read(source: tarfile.TarFile, digest: str) -> bytes:
    return _open(source, digest).read()


def _open(source: tarfile.TarFile, digest: str) -> IO[bytes]:
    return _open_name(source, _blob(digest))


def _open_name(source: tarfile.TarFile, name: str) -> IO[bytes]:
    file = source.extractfile(name)
    if file is None:
        raise AssertionError(f"{name} is no file in {source.name}")
    return file
