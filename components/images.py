"""The references of the images that are built from this repository, computed from their sources.

A reference changes with its sources, so that a change of the code rolls what runs it, and only then.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any, cast

import yaml

ROOT = Path(__file__).resolve().parent.parent


@cache
def reference(name: str, root: Path = ROOT) -> str:
    """`filewallball/<name>:<12 hex digits>` for images/<name> of the checkout at `root`.

    The digits depend on the names and contents of what goes into the image and on nothing else: not on times,
    nor on where the checkout lies. Raises FileNotFoundError if a listed source is missing.
    """
    definition = root / "images" / name / "image.yaml"
    text = definition.read_bytes()
    image = cast("dict[str, Any]", yaml.safe_load(text))
    digest = hashlib.sha256()
    # A length before each part: no two lists of files can run together into the same bytes.
    for path, content in [*sorted(_sources(root, image)), ("image.yaml", text)]:
        for part in (path.encode(), content):
            digest.update(len(part).to_bytes(8, "big"))
            digest.update(part)
    return f"{image['name']}:{digest.hexdigest()[:12]}"


def _sources(root: Path, image: dict[str, Any]) -> Iterator[tuple[str, bytes]]:
    requirements = [image["pip"]["requirements"]] if "pip" in image else []
    for name in [*requirements, *image["copy"]["paths"]]:
        path = root / name
        files = [path] if not path.is_dir() else [file for file in path.rglob("*") if file.is_file()]
        for file in files:
            if "__pycache__" not in file.parts:
                yield file.relative_to(root).as_posix(), file.read_bytes()
