"""What is in an image, read from its archive: Debian's packages, Python's, and the modules of Go programs."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.parser import HeaderParser
from pathlib import Path
from typing import IO

from filewallball.sandbox.debian import RECORDS

_RELEASE = ("etc/os-release", "usr/lib/os-release")
_GO_MAGIC = b"\xff Go buildinf:"
_GO_HEAD_BYTES = 32
_GO_MARK = 16
"""Bytes before and after the text about modules."""
_LEAST_PROGRAM_BYTES = 2**19


@dataclass(frozen=True, order=True)
class Package:
    """`kind` as package URLs name it: deb, pypi or golang."""

    kind: str
    name: str
    version: str
    architecture: str = ""
    source: str = ""
    """Debian's source package, by which its security advisories go, if it has another name."""
    licence: str = ""
    """An expression of SPDX, where the package gives one."""


@dataclass
class Contents:
    """An image. `digest`: of its manifest in the archive. `release`: what /etc/os-release says."""

    digest: str = ""
    release: dict[str, str] = field(default_factory=dict[str, str])
    packages: set[Package] = field(default_factory=set[Package])


def read(archive: Path) -> Contents:
    """The contents of an OCI archive, whose layers are not packed."""
    found = Contents()
    with tarfile.open(archive) as image:
        entry = json.loads(_bytes(image, "index.json"))["manifests"][0]
        found.digest = entry["digest"]
        manifest = json.loads(_bytes(image, _blob(entry["digest"])))
        # by file, since an upper layer's replaces that of a lower one
        files: dict[str, set[Package]] = {}
        for layer in manifest["layers"]:
            with tarfile.open(fileobj=_open(image, _blob(layer["digest"]))) as tree:
                _read_layer(tree, files, found)
        found.packages = set[Package]().union(*files.values())
    return found


def _read_layer(tree: tarfile.TarFile, files: dict[str, set[Package]], found: Contents) -> None:
    for member in tree:
        name = member.name.removeprefix("./")
        folder, _, last = name.rpartition("/")
        if last.startswith(".wh."):
            gone = f"{folder}/{last.removeprefix('.wh.')}".lstrip("/")
            for each in [each for each in files if each == gone or each.startswith(f"{gone}/")]:
                del files[each]
            continue
        content = tree.extractfile(member) if member.isreg() else None
        if content is None:
            continue
        if RECORDS.fullmatch(name):
            files[name] = set(_of_debian(content.read().decode()))
        elif name in _RELEASE:
            found.release = _release(content.read().decode())
        elif folder.endswith(".dist-info") and last == "METADATA":
            files[name] = {_of_python(content.read().decode())}
        elif member.mode & 0o111 and member.size > _LEAST_PROGRAM_BYTES:
            files[name] = set(_of_go(content.read()))


def _of_debian(status: str) -> Iterator[Package]:
    for paragraph in status.split("\n\n"):
        fields = HeaderParser().parsestr(paragraph)
        if fields["Status"] and not fields["Status"].endswith(" installed"):
            continue
        if fields["Package"] and fields["Version"]:
            source = (fields["Source"] or "").partition(" ")[0]
            yield Package("deb", fields["Package"], fields["Version"], fields["Architecture"] or "", source)


def _of_python(metadata: str) -> Package:
    fields = HeaderParser().parsestr(metadata)
    return Package("pypi", fields["Name"], fields["Version"], licence=fields["License-Expression"] or "")


def _release(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if "=" in line)
    return {key: value.strip('"') for key, _, value in pairs}


def _of_go(program: bytes) -> Iterator[Package]:
    """The modules of a program that Go has built; nothing of any other. The format is debug/buildinfo's."""
    start = program.find(_GO_MAGIC)
    if start < 0 or program[start + len(_GO_MAGIC) + 1] & 2 == 0:
        return
    version, rest = _counted(program[start + _GO_HEAD_BYTES :])
    yield Package("golang", "stdlib", version.decode().removeprefix("go").partition(" ")[0])
    modules = _counted(rest)[0][_GO_MARK:-_GO_MARK].decode()
    previous: list[str] = []
    for line in modules.splitlines():
        kind, *words = line.split("\t")
        if kind == "=>":  # in the place of the module before
            previous = words
        elif previous:
            yield Package("golang", previous[0], previous[1])
            previous = []
        if kind == "dep":
            previous = words
    if previous:
        yield Package("golang", previous[0], previous[1])


def _counted(data: bytes) -> tuple[bytes, bytes]:
    """A text with its length in front, as a varint; and what comes after it."""
    length = shift = at = 0
    while True:
        byte = data[at]
        at += 1
        length |= (byte & 0x7F) << shift
        shift += 7
        if byte < 0x80:
            return data[at : at + length], data[at + length :]


def _blob(digest: str) -> str:
    return f"blobs/{digest.replace(':', '/')}"


def _bytes(archive: tarfile.TarFile, name: str) -> bytes:
    return _open(archive, name).read()


def _open(archive: tarfile.TarFile, name: str) -> IO[bytes]:
    file = archive.extractfile(name)
    if file is None:
        raise AssertionError(f"{name} is no file in {archive.name}")
    return file
