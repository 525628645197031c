"""The set of session servers from the image's own files, without a cluster."""

from __future__ import annotations

import io
import json
import os
import tarfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from local_set import LocalSet

from filewallball.sandbox import images
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain import binaries

IMAGE = "docker.io/valkey/valkey:8.1"


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the image that the stack asks for, unpacked."""
    progress = Progress()
    built = binaries(progress)
    images.build([IMAGE], built, progress)
    folder = tmp_path_factory.mktemp("valkey-tree")
    with tarfile.open(images.archive(IMAGE, built)) as archive:

        def blob(digest: str) -> bytes:
            file = archive.extractfile("blobs/" + digest.replace(":", "/"))
            assert file
            return file.read()

        index = archive.extractfile("index.json")
        assert index
        manifest = json.loads(blob(json.load(index)["manifests"][0]["digest"]))
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=io.BytesIO(blob(layer["digest"]))) as files:
                files.extractall(folder, filter="tar")
    return folder


@pytest.fixture
def net() -> int:
    """The second byte of this worker's addresses."""
    return 100 + int(os.environ.get("PYTEST_XDIST_WORKER", "gw0")[2:])


@pytest.fixture
def idle(tree: Path, tmp_path: Path, net: int) -> Iterator[LocalSet]:
    """A set of which nothing runs yet."""
    found = LocalSet(tree, tmp_path, net)
    yield found
    found.close()


@pytest.fixture
def whole(idle: LocalSet) -> LocalSet:
    """A set that is up: one primary, two replicas, five Sentinels that agree."""
    idle.start()
    idle.wait_whole()
    return idle
