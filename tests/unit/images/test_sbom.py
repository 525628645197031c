"""The bill of materials names what is in an image, by CycloneDX's own schema."""

from __future__ import annotations

import json
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from filewallball.errors import ConfigError
from filewallball.images import own, sbom
from filewallball.sandbox.oci import ImageConfig, add_file, write_archive
from filewallball.sandbox.progress import Progress

REFERENCE = "docker.io/filewallball/toolkit:0123456789ab"
QUIET = Progress(lambda _: None)
STATUS = """\
Package: python3.11
Status: install ok installed
Architecture: amd64
Version: 3.11.2-6+deb12u6

Package: libssl3
Status: install ok installed
Architecture: amd64
Source: openssl (3.0.17-1)
Version: 3.0.17-1~deb12u3
Description: libraries
 Version: not this one

Package: gone
Status: deinstall ok config-files
Architecture: all
Version: 1:2.0
"""
RELEASE = 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n'
METADATA = """\
Metadata-Version: 2.4
Name: Typing_Extensions
Version: 4.16.0
License-Expression: PSF-2.0

Version: not this one
"""
MODULES = [
    "path\texample.org/program",
    "mod\texample.org/program\t(devel)\t",
    "dep\tgolang.org/x/sys\tv0.42.0\th1:a=",
    "dep\tk8s.io/api\tv0.0.0",
    "=>\tk8s.io/api\tv0.36.3\th1:b=",
    "dep\texample.org/old\tv2.0.0+incompatible\th1:c=",
    "build\t-compiler=gc",
]


def go_program(modules: list[str], *, inline: int = 2) -> bytes:
    """A file with what Go's linker writes into a program about its modules."""

    def counted(text: bytes) -> bytes:
        size, length = b"", len(text)
        while True:
            size += bytes([length & 0x7F | (0x80 if length > 0x7F else 0)])
            length >>= 7
            if not length:
                return size + text

    head = b"\xff Go buildinf:" + bytes([8, inline]) + bytes(16)
    about = b"0" * 16 + "\n".join(modules).encode() + b"\n" + b"1" * 16
    return bytes(600_000) + head + counted(b"go1.26.8 X:some") + counted(about) + bytes(600_000)


def filling(files: dict[str, bytes | str], mode: int = 0o644) -> Callable[[tarfile.TarFile], None]:
    def fill(tar: tarfile.TarFile) -> None:
        for name, content in files.items():
            add_file(tar, name, content.encode() if isinstance(content, str) else content, mode)

    return fill


def bill(folder: Path, *layers: Callable[[tarfile.TarFile], None]) -> dict[str, Any]:
    archive = folder / "image.tar"
    write_archive(archive, REFERENCE, ImageConfig(), *layers)
    text = sbom.of(REFERENCE, archive).decode()
    assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None
    assert text.encode() == sbom.of(REFERENCE, archive), "the same image has the same bill"
    return json.loads(text)


def urls(found: dict[str, Any]) -> list[str]:
    return [each["purl"] for each in found["components"] if "purl" in each]


def test_what_is_installed_is_named(tmp_path: Path) -> None:
    unpacked = "Package: busybox-1.35\nVersion: 1:1.35.0\nArchitecture: amd64\n"
    base = filling(
        {
            "./var/lib/dpkg/status": STATUS,
            "./var/lib/dpkg/status.d/busybox-1.35": unpacked,
            "./usr/lib/os-release": RELEASE,
        }
    )
    python = filling({"opt/typing_extensions-4.16.0.dist-info/METADATA": METADATA, "opt/x.py": "Name: x"})
    found = bill(tmp_path, base, python, filling({"usr/bin/program": go_program(MODULES)}, 0o755))
    assert urls(found) == [
        "pkg:deb/debian/busybox-1.35@1:1.35.0?arch=amd64&distro=debian-12",
        "pkg:deb/debian/libssl3@3.0.17-1~deb12u3?arch=amd64&distro=debian-12&upstream=openssl",
        "pkg:deb/debian/python3.11@3.11.2-6%2Bdeb12u6?arch=amd64&distro=debian-12",
        "pkg:golang/example.org/old@v2.0.0%2Bincompatible",
        "pkg:golang/golang.org/x/sys@v0.42.0",
        "pkg:golang/k8s.io/api@v0.36.3",
        "pkg:golang/stdlib@1.26.8",
        "pkg:pypi/typing-extensions@4.16.0",
    ]
    about = found["metadata"]["component"]
    assert (about["name"], about["version"]) == ("docker.io/filewallball/toolkit", "0123456789ab")
    assert {"type": "operating-system", "bom-ref": "system", "name": "debian", "version": "12"} in found[
        "components"
    ]
    [licensed] = [each for each in found["components"] if "licenses" in each]
    assert licensed["licenses"] == [{"expression": "PSF-2.0"}]


def test_an_upper_layer_replaces_and_removes(tmp_path: Path) -> None:
    newer = STATUS.replace("deb12u6", "deb12u7")
    one = "opt/one-1.0.dist-info/METADATA"
    text = METADATA.replace("Typing_Extensions", "one").replace("4.16.0", "1.0")
    lower = filling({"var/lib/dpkg/status": STATUS, one: text, "srv/two-1.0.dist-info/METADATA": text})
    upper = filling({"var/lib/dpkg/status": newer, "opt/.wh.one-1.0.dist-info": "", "srv/.wh.x": ""})
    found = urls(bill(tmp_path, lower, upper))
    assert found == [
        "pkg:deb/debian/libssl3@3.0.17-1~deb12u3?arch=amd64&upstream=openssl",
        "pkg:deb/debian/python3.11@3.11.2-6%2Bdeb12u7?arch=amd64",
        "pkg:pypi/one@1.0",
    ]
    assert urls(bill(tmp_path, lower, filling({".wh.srv": "", ".wh.opt": "", "var/lib/.wh.dpkg": ""}))) == []


def test_a_program_that_go_has_not_built_has_no_modules(tmp_path: Path) -> None:
    other = {"bin/other": bytes(2**20), "bin/ancient": go_program(MODULES, inline=0)}
    found = bill(tmp_path, filling(other, 0o755))
    assert found["components"] == []


def test_our_own_bills_are_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    archive = tmp_path / "image.tar"
    write_archive(archive, REFERENCE, ImageConfig(), filling({"var/lib/dpkg/status": STATUS}))
    monkeypatch.setattr(sbom.images, "build", lambda *_: None)
    monkeypatch.setattr(sbom.images, "archive", lambda *_: archive)
    said: list[str] = []
    wanted = [*own.references().values(), "redis:7.2-bookworm"]
    assert sbom.write(tmp_path / "deep" / "bills", wanted, said.append, QUIET) == 0
    written = sorted(each.name for each in (tmp_path / "deep" / "bills").iterdir())
    names = [reference.rpartition("/")[2].replace(":", "-") for reference in wanted]
    assert written == sorted(f"{name}.cdx.json" for name in names)
    assert [line.partition(": ")[0] for line in said] == [sbom.images.normalise(each) for each in wanted]


def test_what_can_not_be_written_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(ConfigError, match="is no folder"):
        sbom.write(tmp_path / "file", [], print, QUIET)
    for reference in ("example.org/other:1", "redis", "filewallball/toolkit:0", "filewallball/none:0"):
        with pytest.raises(ConfigError, match="is no image that is built here") as raised:
            sbom.write(tmp_path / "bills", [reference], print, QUIET)
        assert "docker.io/library/redis:7.2-bookworm" in raised.value.hint
    assert not (tmp_path / "bills").exists()
