"""Every object is valid by Kubernetes's schemas, with no field that they lack (kubernetes-validate)."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import kubernetes_validate
import pytest
from kubernetes_validate import utils

from filewallball.sandbox.toolchain.sources import SANDBOX
from tests.judges.rendered import STACKS, Stacks

VERSION = SANDBOX.module_version("k8s.io/kubernetes").removeprefix("v").rpartition(".")[0]
"""That of the sandbox, whose own server says the same of what is deployed there."""


@pytest.fixture(autouse=True, scope="module")
def _read_once() -> Iterator[None]:
    """The definitions are 1.6 MB, and the library would read them for each object."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(utils, "schema_contents", cache(utils.schema_contents))
        yield


@pytest.mark.parametrize("stack", STACKS)
def test_every_object_is_valid(stacks: Stacks, stack: str) -> None:
    found = stacks.objects(stack)
    assert len(found) > 60
    for each in found:
        # raises where it isn't; the answer is the version whose schema was taken
        assert kubernetes_validate.validate(each, VERSION, strict=True) == VERSION


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("spec", "replicas"), "one"),
        (("spec", "replica"), 1),
        (("spec", "template", "spec", "hostPids"), True),
    ],
)
def test_what_is_wrong_is_found(stacks: Stacks, path: tuple[str, ...], value: object) -> None:
    each = next(each for each in stacks.objects("prd") if each["kind"] == "StatefulSet")
    inner = each
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(kubernetes_validate.ValidationError, match=str(value) if value == "one" else path[-1]):
        kubernetes_validate.validate(each, VERSION, strict=True)
