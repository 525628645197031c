"""The table of kinds: looked up by group and name, so that a namesake of another group is not mistaken."""

from __future__ import annotations

import dataclasses
import re
from pathlib import Path

import pytest

from filewallball import engine
from filewallball.engine.kinds import Kind, of, table

FOLDER = Path(engine.__file__).parent


def test_a_kind_is_known_whatever_its_version() -> None:
    assert of("batch/v1", "Job") is table.JOB
    assert of("batch/v1beta1", "Job") is table.JOB
    assert of("v1", "Pod") is table.POD


@pytest.mark.parametrize(
    ("api_version", "name", "rank"),
    [
        ("batch.example.test/v1alpha1", "Job", table.FIRST),
        ("serving.example.test/v1", "Service", table.FIRST),
        ("cert-manager.io/v1", "Certificate", table.FIRST),
        ("gateway.networking.k8s.io/v1", "HTTPRoute", table.FIRST),
        ("admissionregistration.k8s.io/v1", "ValidatingWebhookConfiguration", table.MIDDLE),
        ("flowcontrol.apiserver.k8s.io/v1", "FlowSchema", table.MIDDLE),
        ("v1", "ConfigMap", table.MIDDLE),
        ("networking.k8s.io/v1", "NetworkPolicy", table.MIDDLE),
        ("rbac.authorization.k8s.io/v1", "Role", table.MIDDLE),
    ],
)
def test_any_other_kind_has_nothing_special(api_version: str, name: str, rank: int) -> None:
    assert of(api_version, name) == Kind(api_version, name, rank=rank)


def test_what_is_called_secret_is_taken_for_one() -> None:
    assert of("v1", "Secret").secret_fields == ("data", "stringData")
    assert of("vault.example.test/v1", "Secret").secret_fields == ("data", "stringData")
    assert of("v1", "ConfigMap").secret_fields == ()


def test_each_kind_stands_in_the_table_once() -> None:
    named = {value for value in vars(table).values() if isinstance(value, Kind)}
    assert named == set(table.TABLE)
    assert len({kind.group_kind for kind in table.TABLE}) == len(table.TABLE)


def test_every_field_makes_a_difference_for_some_kind() -> None:
    plain = Kind("v1", "ConfigMap")
    for field in dataclasses.fields(Kind):
        assert any(getattr(kind, field.name) != getattr(plain, field.name) for kind in table.TABLE), (
            field.name
        )


def test_no_other_file_of_the_engine_decides_by_the_name_of_a_kind() -> None:
    names = "|".join(kind.name for kind in table.TABLE)
    quoted = re.compile(rf"""["'](?:{names})["']""")
    found = [
        f"{path.relative_to(FOLDER)}:{number}"
        for path in sorted(FOLDER.rglob("*.py"))
        if path.parent.name != "kinds"
        for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
        if quoted.search(line)
    ]
    assert found == []
