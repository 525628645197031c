"""No module in the sandbox's Go programs has a known vulnerability, but for what is suppressed.

The programs hold no names of functions, so it counts that a module is in one. The standard library is left
out: that is the one of the Go that this machine has.
"""

from __future__ import annotations

import json
import re
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from filewallball.errors import UserError
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain.build import built
from filewallball.sandbox.toolchain.sources import SANDBOX
from tests.judges import advisories
from tests.judges.suppressions import Finding, left, read

STANDARD_LIBRARY = "stdlib"


@pytest.fixture
def scanned() -> dict[str, Path]:
    """The programs, by name; those that are built already."""
    found = built(Progress(), SANDBOX)
    if found is None:
        pytest.skip("the sandbox's programs aren't built here: `fwb sandbox up` builds them")
    return {name: found[name] for name in SANDBOX.programs}


def messages(text: str) -> Iterator[dict[str, Any]]:
    """Objects of JSON one after the other."""
    decoder, end = json.JSONDecoder(), 0
    while start := re.compile(r"\s*(?=\S)").match(text, end):
        found, end = decoder.raw_decode(text, start.end())
        yield found


def findings(scanner: Path, database: str, programs: dict[str, Path]) -> Iterator[Finding]:
    for name, program in programs.items():
        call = [str(scanner), "-mode=binary", "-scan=module", "-format=json", "-db", database, str(program)]
        said = list(messages(subprocess.run(call, capture_output=True, text=True, check=True).stdout))
        summaries = {each["osv"]["id"]: each["osv"].get("summary", "") for each in said if "osv" in each}
        for found in (each["finding"] for each in said if "finding" in each):
            [place, *_] = found["trace"]
            if place["module"] != STANDARD_LIBRARY:
                fixed = found.get("fixed_version", "no version")
                why = f"{summaries[found['osv']]} ({place['version']}, fixed in {fixed})"
                yield Finding(found["osv"], f"{name} {place['module']}", why)


def test_no_module_has_a_vulnerability_that_is_known(
    judge: Callable[[str], Path], scanned: dict[str, Path], tmp_path: Path
) -> None:
    scanner = judge("govulncheck")
    try:
        files = sorted(advisories.download(online=False).glob("GO-*.json"))
    except UserError:
        pytest.skip("the list of vulnerabilities isn't installed here: `make judge` installs it")
    assert len(files) > 4000
    wrong = left(findings(scanner, advisories.write(files, tmp_path), scanned), read("govulncheck"))
    assert not wrong, "\n".join(wrong)


MADE_UP = {
    "id": "GO-2000-0001",
    "modified": "2000-01-01T00:00:00Z",
    "published": "2000-01-01T00:00:00Z",
    "summary": "made up",
    "affected": [
        {
            "package": {"name": "k8s.io/klog/v2", "ecosystem": "Go"},
            "ranges": [{"type": "SEMVER", "events": [{"introduced": "0"}, {"fixed": "999.0.0"}]}],
        }
    ],
}


def test_what_is_wrong_is_found(
    judge: Callable[[str], Path], scanned: dict[str, Path], tmp_path: Path
) -> None:
    file, database = tmp_path / "one.json", tmp_path / "database"
    file.write_text(json.dumps(MADE_UP), encoding="utf-8")
    database.mkdir()
    address = advisories.write([file], database)
    few = {name: scanned[name] for name in ("controllers", "pause")}
    assert [(each.check, each.thing) for each in findings(judge("govulncheck"), address, few)] == [
        ("GO-2000-0001", "controllers k8s.io/klog/v2")
    ]
