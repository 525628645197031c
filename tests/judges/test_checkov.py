"""checkov has nothing to say of any object, nor of the AWS resources of prd, but for what is suppressed."""

from __future__ import annotations

import copy
import json
import shutil
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.judges.rendered import STACKS, Stacks, write_terraform
from tests.judges.suppressions import Finding, left, read

WRONG = "wrong"
ANYBODY = {"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"}
ANYTHING = {"Effect": "Allow", "Action": "*", "Resource": "*"}
ANY_ACCOUNT = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
NO_END = {"rules": [{"id": "a", "status": "Enabled", "filter": {"prefix": ""}}]}


def statement(one: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [one]})


# checkov's check: of which kind it finds a fault when properties are so, or when there is none of the kind.
FAULTS: dict[str, tuple[str, dict[str, Any] | None]] = {
    "CKV2_AWS_6": ("BucketPublicAccessBlock", None),
    "CKV_AWS_56": ("BucketPublicAccessBlock", {"restrictPublicBuckets": False}),
    "CKV2_AWS_65": ("BucketOwnershipControls", {"rule": {"objectOwnership": "ObjectWriter"}}),
    "CKV_AWS_21": ("BucketVersioning", {"versioningConfiguration": {"status": "Suspended"}}),
    "CKV2_AWS_61": ("BucketLifecycleConfiguration", None),
    "CKV_AWS_300": ("BucketLifecycleConfiguration", NO_END),
    "CKV_AWS_70": ("BucketPolicy", {"policy": statement(ANYBODY)}),
    "CKV_AWS_62": ("RolePolicy", {"policy": statement(ANYTHING)}),
    "CKV_AWS_60": ("Role", {"assumeRolePolicy": statement(ANY_ACCOUNT)}),
}


def faulty(resources: list[dict[str, Any]], check: str) -> list[dict[str, Any]]:
    """The resources with those of the check's kind changed, or without them, under names of their own."""
    kind, change = FAULTS[check]
    wrong = [each for each in resources if each["type"].endswith(f":{kind}")]
    assert wrong
    found = copy.deepcopy([each for each in resources if change or each not in wrong])
    for each in found:
        each["name"] = f"{check}-{each['name']}"
        if each["type"] == wrong[0]["type"] and change:
            each["props"] |= change
    return found


def findings(report: dict[str, Any]) -> Iterator[Finding]:
    """`thing`: the stack or `aws`, and what checkov calls the resource, such as `StatefulSet mariadb`."""
    assert report["summary"]["parsing_errors"] == 0, report
    assert report["summary"]["passed"] > 0, report
    for each in report["results"]["failed_checks"]:
        folder = each["file_path"].lstrip("/").partition("/")[0]
        kind, _, name = each["resource"].partition(".")
        if folder in STACKS:
            name = name.rpartition(".")[2]  # without its namespace
        yield Finding(each["check_id"], f"{folder} {kind} {name}", each["check_name"])


@pytest.fixture(scope="module")
def found(
    stacks: Stacks, judge: Callable[[str], Path], tmp_path_factory: pytest.TempPathFactory
) -> list[Finding]:
    """What it finds in both stacks, in the AWS resources, and in copies of them with a fault, by one run."""
    program = judge("checkov")
    folder = tmp_path_factory.mktemp("judged")
    for stack in STACKS:
        shutil.copytree(stacks.folder / stack, folder / stack)
    write_terraform(stacks.aws, folder / "aws")
    for check in FAULTS:
        write_terraform(faulty(stacks.aws, check), folder / WRONG / check)
    call = [str(program), "--directory", str(folder), "--framework", "kubernetes", "terraform_json"]
    call += ["--skip-download", "--quiet", "--compact", "--output", "json"]
    done = subprocess.run(call, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    reports = json.loads(done.stdout)
    assert {report["check_type"] for report in reports} == {"kubernetes", "terraform_json"}
    return [each for report in reports for each in findings(report)]


def test_every_check_passes_or_is_suppressed(found: list[Finding]) -> None:
    wrong = left([each for each in found if not each.thing.startswith(WRONG)], read("checkov"))
    assert not wrong, "\n".join(wrong)


@pytest.mark.parametrize("check", FAULTS)
def test_a_fault_is_found_through_the_translation(found: list[Finding], check: str) -> None:
    """So that a passed check of the AWS resources means something."""
    assert any(each.check == check and f" {check}-" in f" {each.thing.split()[2]}" for each in found)
    assert not any(each.check == check and each.thing.startswith("aws ") for each in found)
