"""The nginx of the images, unpacked, and pods of the balancer with it."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import shutil
import tarfile
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from balanced import Application, Balancer

from filewallball.sandbox import images
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain import Binaries

OLD, NEW = "docker.io/library/nginx:1.22", "docker.io/library/nginx:1.30"


def unpacked(reference: str, factory: pytest.TempPathFactory) -> Path:
    """A script that runs the nginx of an image; all workers share its files."""
    base = factory.getbasetemp()
    name = reference.rpartition("/")[2].replace(":", "-")
    folder = (base.parent if "PYTEST_XDIST_WORKER" in os.environ else base) / name
    folder.mkdir(exist_ok=True)
    script = folder / "nginx"
    with (folder / "lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not script.exists():
            _unpack(reference, folder / "tree")
            [loader] = (folder / "tree/usr/lib").glob("*-linux-gnu/ld-linux-*.so.*")
            program = f"{loader} --library-path {loader.parent} {folder}/tree/usr/sbin/nginx"
            script.write_text(f'#!/bin/sh\nexec {program} "$@"\n')
            script.chmod(0o755)
    return script


def _unpack(reference: str, tree: Path) -> None:
    none = Binaries(Path())
    images.build([reference], none, Progress())
    with tarfile.open(images.archive(reference, none)) as archive:

        def blob(name: str) -> Any:
            return archive.extractfile(name)

        [entry] = json.load(blob("index.json"))["manifests"]
        for layer in json.load(blob(f"blobs/{entry['digest'].replace(':', '/')}"))["layers"]:
            with tarfile.open(fileobj=blob(f"blobs/{layer['digest'].replace(':', '/')}")) as files:
                files.extractall(tree, _wanted(files), filter="tar")


def _wanted(files: tarfile.TarFile) -> list[tarfile.TarInfo]:
    """The program and the libraries alone."""
    names = ("usr/sbin/nginx", "usr/lib/x86_64-linux-gnu/", "usr/lib/aarch64-linux-gnu/")
    return [each for each in files if each.name.removeprefix("./").startswith(names) and not each.isdir()]


@contextlib.contextmanager
def pods(nginx: Callable[[str], Path]) -> Iterator[Callable[..., Balancer]]:
    """Makes pods of the balancer, and ends them."""
    made: list[Balancer] = []
    folders: list[str] = []

    def make(servers: list[Application], reference: str = NEW, **settings: Any) -> Balancer:
        folders.append(tempfile.mkdtemp(prefix="fwb-"))  # short: a socket's path has 107 characters at most
        made.append(Balancer(nginx(reference), Path(folders[-1]), servers, **settings))
        return made[-1]

    try:
        yield make
    finally:
        for each in made:
            each.stop()
        for folder in folders:
            shutil.rmtree(folder)
