"""kube-score (github.com/zegl/kube-score) has nothing to say of any object, but for what is suppressed."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.judges.rendered import STACKS, Stacks
from tests.judges.suppressions import Finding, left, read
from tests.judges.test_kubernetes_schemas import VERSION

ALL_OK = 10
"""kube-score's best grade."""


def findings(program: Path, stack: str, files: list[Path]) -> Iterator[Finding]:
    call = [str(program), "score", "--output-format", "json", "--kubernetes-version", f"v{VERSION}"]
    # A CPU limit would stop a server that others wait for. Requests and memory limits are judged.
    call.append("--ignore-container-cpu-limit")
    done = subprocess.run([*call, *map(str, files)], capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    scored = json.loads(done.stdout)
    assert scored
    for each in scored:
        thing = f"{stack} {each['type_meta']['kind']} {each['object_meta']['name']}"
        for check in each["checks"]:
            if not check["skipped"] and check["grade"] < ALL_OK:
                comments = check["comments"] or [{"summary": check["check"]["comment"], "path": ""}]
                why = "; ".join(f"{one['path']}: {one['summary']}" for one in comments)
                yield Finding(check["check"]["id"], thing, why)


def test_every_check_passes_or_is_suppressed(stacks: Stacks, judge: Callable[[str], Path]) -> None:
    program = judge("kube-score")
    found = [each for stack in STACKS for each in findings(program, stack, stacks.files(stack))]
    wrong = left(found, read("kube-score"))
    assert not wrong, "\n".join(wrong)


POD = """\
apiVersion: v1
kind: Pod
metadata: {name: bad, namespace: one}
spec: {containers: [{name: one, image: "some:latest", securityContext: {privileged: true}}]}
"""


@pytest.mark.parametrize(
    "check", ["container-image-tag", "container-security-context-privileged", "container-resources"]
)
def test_what_is_wrong_is_found(judge: Callable[[str], Path], tmp_path: Path, check: str) -> None:
    file = tmp_path / "pod.yaml"
    file.write_text(POD, encoding="utf-8")
    assert check in {each.check for each in findings(judge("kube-score"), "dev", [file])}
