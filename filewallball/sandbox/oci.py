"""Writes OCI image archives: uncompressed layers, a configuration, an index."""

from __future__ import annotations

import hashlib
import io
import json
import platform
import shutil
import tarfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

ARCHITECTURES = {"x86_64": "amd64", "aarch64": "arm64"}


@dataclass(frozen=True)
class User:
    """The account that an image runs as; its numbers are what a pod's securityContext names."""

    name: str
    uid: int
    gid: int
    home: str = "/nonexistent"


@dataclass(frozen=True)
class ImageConfig:
    """What a container of the image runs when its pod doesn't say otherwise."""

    user: User | None = None
    workdir: str = "/"
    entrypoint: list[str] = field(default_factory=list[str])
    cmd: list[str] = field(default_factory=list[str])
    env: dict[str, str] = field(default_factory=dict[str, str])
    labels: dict[str, str] = field(default_factory=dict[str, str])

    def data(self, diff_ids: list[str]) -> dict[str, Any]:
        user = f"{self.user.uid}:{self.user.gid}" if self.user else ""
        path = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
        env = [path, *(f"{key}={value}" for key, value in self.env.items() if key != "PATH")]
        return {
            # Without these two, the runtime takes the image for another machine's.
            "architecture": ARCHITECTURES[platform.machine()],
            "os": "linux",
            "config": {
                "User": user,
                "WorkingDir": self.workdir,
                "Entrypoint": self.entrypoint,
                "Cmd": self.cmd,
                "Env": env,
                "Labels": self.labels,
            },
            "rootfs": {"type": "layers", "diff_ids": diff_ids},
        }


def accounts(user: User | None) -> dict[str, str]:
    """The lines of /etc/passwd and /etc/group that name the user."""
    if user is None:
        return {"etc/passwd": "", "etc/group": ""}
    return {
        "etc/passwd": f"{user.name}:x:{user.uid}:{user.gid}::{user.home}:/usr/sbin/nologin\n",
        "etc/group": f"{user.name}:x:{user.gid}:\n",
    }


def add_file(tar: tarfile.TarFile, name: str, content: bytes, mode: int = 0o644) -> None:
    info = tarfile.TarInfo(name)
    info.size, info.mode = len(content), mode
    tar.addfile(info, io.BytesIO(content))


def add_directory(tar: tarfile.TarFile, name: str, mode: int = 0o755, uid: int = 0, gid: int = 0) -> None:
    info = tarfile.TarInfo(name)
    info.type, info.mode, info.uid, info.gid = tarfile.DIRTYPE, mode, uid, gid
    tar.addfile(info)


def write_archive(
    target: Path, reference: str, config: ImageConfig, *fills: Callable[[tarfile.TarFile], None]
) -> None:
    """Write the archive of an image; each of `fills` writes a layer, the lowest first.

    `target` appears only when it is complete.
    """
    layers: dict[str, Path] = {}
    for number, fill in enumerate(fills):
        layer = target.with_name(f"{target.name}.{number}.layer")
        with tarfile.open(layer, "w", format=tarfile.PAX_FORMAT) as tar:
            fill(tar)
        with layer.open("rb") as file:
            layers[hashlib.file_digest(file, "sha256").hexdigest()] = layer
    _pack(target, reference, layers, config.data([f"sha256:{each}" for each in layers]))


def retitle(source: Path, target: Path, reference: str, labels: dict[str, str]) -> None:
    """Write the image of the archive `source` as `reference`, with the same layers and some other labels."""
    layers: dict[str, Path] = {}
    with tarfile.open(source) as archive:
        entry = json.loads(_read(archive, "index.json"))["manifests"][0]
        manifest = json.loads(_read(archive, _blob_name(entry["digest"])))
        config = json.loads(_read(archive, _blob_name(manifest["config"]["digest"])))
        for number, described in enumerate(manifest["layers"]):
            layer = target.with_name(f"{target.name}.{number}.layer")
            with layer.open("wb") as file:
                shutil.copyfileobj(_open(archive, _blob_name(described["digest"])), file)
            layers[described["digest"].removeprefix("sha256:")] = layer
    config["config"]["Labels"] |= labels
    _pack(target, reference, layers, config)


def _pack(target: Path, reference: str, layers: dict[str, Path], config: dict[str, Any]) -> None:
    """Move the layers, by their digests, into an archive with all that describes them."""
    temporary = target.with_name(target.name + ".new")
    with tarfile.open(temporary, "w") as archive:
        for digest, layer in layers.items():
            archive.add(layer, f"blobs/sha256/{digest}")
        configuration = _blob(archive, config)
        manifest = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.manifest.v1+json",
            "config": {"mediaType": "application/vnd.oci.image.config.v1+json", **configuration},
            "layers": [
                {
                    "mediaType": "application/vnd.oci.image.layer.v1.tar",
                    "digest": f"sha256:{digest}",
                    "size": layer.stat().st_size,
                }
                for digest, layer in layers.items()
            ],
            "annotations": config["config"]["Labels"],
        }
        entry = {
            "mediaType": manifest["mediaType"],
            **_blob(archive, manifest),
            "annotations": {"io.containerd.image.name": reference},
        }
        index = {
            "schemaVersion": 2,
            "mediaType": "application/vnd.oci.image.index.v1+json",
            "manifests": [entry],
        }
        add_file(archive, "index.json", json.dumps(index).encode())
        add_file(archive, "oci-layout", b'{"imageLayoutVersion": "1.0.0"}')
    for layer in layers.values():
        layer.unlink()
    temporary.replace(target)


def _blob(archive: tarfile.TarFile, content: dict[str, Any]) -> dict[str, Any]:
    data = json.dumps(content, sort_keys=True).encode()
    digest = hashlib.sha256(data).hexdigest()
    add_file(archive, f"blobs/sha256/{digest}", data)
    return {"digest": f"sha256:{digest}", "size": len(data)}


def _blob_name(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _open(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)
    if file is None:
        raise AssertionError(f"{name} is no file in {archive.name}")
    return file


def _read(archive: tarfile.TarFile, name: str) -> bytes:
    return _open(archive, name).read()
