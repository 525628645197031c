"""The bill of materials of an image that is built here, in CycloneDX's JSON (https://cyclonedx.org, 1.6)."""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import Any
from urllib.parse import quote

from filewallball.errors import ConfigError
from filewallball.images import contents
from filewallball.images.contents import Contents, Package
from filewallball.sandbox import images
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain import Binaries, binaries

MEDIA_TYPE = "application/vnd.cyclonedx+json"
SUFFIX = ".cdx.json"
_SPACE = uuid.UUID("5f7a9b52-9f0e-5c0b-8a35-6d2d3c1f6a10")
"""Of the serial numbers: the same image has the same bill, to the byte."""


def write(folder: Path, references: Iterable[str], say: Callable[[str], None], progress: Progress) -> int:
    """Write a bill for each image into the folder. Returns the exit code.

    Raises ConfigError where the folder is a file, and for an image that nothing here builds.
    """
    if folder.exists() and not folder.is_dir():
        raise ConfigError(f"{folder} is no folder", "Name the folder for the files.")
    wanted = [images.normalise(each) for each in references]
    if unknown := [each for each in wanted if not _known(each)]:
        names = "\n    ".join(sorted(images.definitions()))
        raise ConfigError(
            f"{unknown[0]} is no image that is built here",
            f"Name none for our own images, or name one of these:\n    {names}.",
        )
    needed = [images.definition(each) for each in wanted]
    programs = any("program" in each or "beside" in each for each in needed)
    built = binaries(progress) if programs else Binaries(Path())
    images.build(wanted, built, progress)
    folder.mkdir(parents=True, exist_ok=True)
    for reference in wanted:
        file = folder / f"{re.sub(r'[^A-Za-z0-9._-]+', '-', _name(reference))}{SUFFIX}"
        file.write_bytes(of(reference, images.archive(reference, built)))
        say(f"{reference}: {file}")
    return 0


def _known(reference: str) -> bool:
    short = _name(reference).partition(":")[0]
    if (images.REPOSITORY / "images" / short / "image.yaml").is_file():
        return reference == images.normalise(images.own_reference(short))
    return reference in images.definitions()


def of(reference: str, archive: Path) -> bytes:
    """The bill of the image in an archive, as the bytes of a file."""
    text = json.dumps(_bill(reference, contents.read(archive)), indent=1, ensure_ascii=False)
    return f"{text}\n".encode()


def _name(reference: str) -> str:
    return reference.rpartition("/")[2]


def _bill(reference: str, found: Contents) -> dict[str, Any]:
    where, _, tag = reference.rpartition(":")
    return {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_SPACE, f'{reference}@{found.digest}')}",
        "version": 1,
        "metadata": {
            "tools": {
                "components": [{"type": "application", "name": "fwb", "version": version("filewallball")}]
            },
            "component": {
                "type": "container",
                "bom-ref": "image",
                "name": where,
                "version": tag,
                "hashes": [{"alg": "SHA-256", "content": found.digest.partition(":")[2]}],
            },
        },
        "components": [
            *_system(found.release),
            *(_component(each, found.release) for each in sorted(found.packages)),
        ],
    }


def _system(release: dict[str, str]) -> list[dict[str, Any]]:
    """The release of Debian, by which scanners find its advisories."""
    if "ID" not in release or "VERSION_ID" not in release:
        return []
    return [
        {
            "type": "operating-system",
            "bom-ref": "system",
            "name": release["ID"],
            "version": release["VERSION_ID"],
        }
    ]


def _component(package: Package, release: dict[str, str]) -> dict[str, Any]:
    url = _package_url(package, release)
    found: dict[str, Any] = {
        "type": "library",
        "bom-ref": url,
        "name": package.name,
        "version": package.version,
        "purl": url,
    }
    if package.licence:
        found["licenses"] = [{"expression": package.licence}]
    return found


def _package_url(package: Package, release: dict[str, str]) -> str:
    """As https://github.com/package-url/purl-spec has it for this kind of package."""
    name, more = package.name, ""
    if package.kind == "pypi":
        name = re.sub(r"[-_.]+", "-", name).lower()
    elif package.kind == "deb":
        name = f"debian/{name}"
        told = {
            "arch": package.architecture,
            "distro": f"debian-{release['VERSION_ID']}" if "VERSION_ID" in release else "",
            "upstream": package.source,
        }
        pairs = [f"{key}={quote(value, safe=':')}" for key, value in told.items() if value]
        more = f"?{'&'.join(pairs)}" if pairs else ""
    return f"pkg:{package.kind}/{quote(name, safe='/')}@{quote(package.version, safe=':')}{more}"
