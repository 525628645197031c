"""Every image that is built here has a bill of materials, which names what its definition asks for."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
from cyclonedx.schema import SchemaVersion
from cyclonedx.validation.json import JsonStrictValidator

from filewallball.images import own, sbom
from filewallball.sandbox import images
from filewallball.sandbox.progress import Progress

ROOT = Path(__file__).parents[3]
EVERY = sorted({*images.definitions(), *(images.own_reference(name) for name in own.NAMES)})


@pytest.fixture(scope="module")
def bills(tmp_path_factory: pytest.TempPathFactory) -> dict[str, dict[str, str]]:
    """Reference → what its bill names, as `kind/name: version`."""
    folder = tmp_path_factory.mktemp("bills")
    said: list[str] = []
    assert sbom.write(folder, EVERY, said.append, Progress()) == 0
    found: dict[str, dict[str, str]] = {}
    for reference, line in zip(EVERY, said, strict=True):
        text = Path(line.partition(": ")[2]).read_text(encoding="utf-8")
        assert JsonStrictValidator(SchemaVersion.V1_6).validate_str(text) is None, reference
        urls = [each["purl"] for each in json.loads(text)["components"] if "purl" in each]
        pairs = (re.fullmatch(r"pkg:([^@]+)@([^?]+)(\?.*)?", url) for url in urls)
        found[reference] = {pair[1]: pair[2] for pair in pairs if pair}
        assert len(found[reference]) == len(urls)
    return found


@pytest.mark.parametrize("reference", EVERY)
def test_it_names_what_was_asked_for(bills: dict[str, dict[str, str]], reference: str) -> None:
    definition, named = images.definition(reference), bills[reference]
    wanted = {f"deb/debian/{package}" for package in definition.get("packages", [])}
    if definition.get("program") or definition.get("beside"):
        wanted.add("golang/stdlib")
    assert wanted
    assert wanted <= set(named)
    if pip := definition.get("pip"):
        pinned = dict(
            re.findall(r"^([\w-]+)==([\w.]+)", (ROOT / pip["requirements"]).read_text(), re.MULTILINE)
        )
        installed = {
            key.removeprefix("pypi/"): value for key, value in named.items() if key.startswith("pypi/")
        }
        assert installed
        assert installed.items() <= pinned.items()
        assert {"redis"} <= set(installed)
