"""The sandbox's Valkey image as a folder, for servers that run without a cluster."""

from __future__ import annotations

import fcntl
import json
import os
import tarfile
from pathlib import Path
from typing import IO

import pytest

from filewallball.sandbox import images
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain import binaries

REFERENCE = "docker.io/valkey/valkey:8.1"


def unpacked(factory: pytest.TempPathFactory) -> Path:
    """The folder of it that all workers share: what a server writes lies in mounts that no other sees."""
    base = factory.getbasetemp()
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / "valkey-image"
    folder.mkdir(exist_ok=True)
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not (folder / "done").exists():
            unpack(folder / "tree")
            (folder / "done").touch()
    return folder / "tree"


def unpack(folder: Path) -> Path:
    """Build the image unless the cache has it, and unpack its one layer. Needs root, as the servers do."""
    progress = Progress()
    built = binaries(progress)
    images.build([REFERENCE], built, progress)
    with tarfile.open(images.archive(REFERENCE, built)) as archive:
        [entry] = json.load(_blob(archive, "index.json"))["manifests"]
        [layer] = json.load(_blob(archive, _name(entry["digest"])))["layers"]
        with tarfile.open(fileobj=_blob(archive, _name(layer["digest"]))) as tree:
            tree.extractall(folder, filter="tar")
    return folder


def _name(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _blob(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)
    assert file, f"{name} is no file in {archive.name}"
    return file
