"""Every rendered object is one that Kubernetes knows: no unknown field, no wrong kind of value.

The API server drops unknown fields of an object without a word; lightkube's models have the API's fields.
"""

from __future__ import annotations

import importlib
import types
from collections.abc import Iterator
from typing import Any, Union, get_args, get_origin

import msgspec
import pytest
from program_run import DEV, PRD, Rendered, merged, run_program

VARIANTS = {
    "dev": DEV,
    "prd": PRD,
    "host path": merged(DEV, {"mariadb": {"storage": {"hostPath": "/srv/mariadb", "node": "node-1"}}}),
    "larger set": merged(DEV, {"valkey": {"replicas": 6, "sentinels": 9, "readsFromReplicas": False}}),
    "named class": merged(DEV, {"mariadb": {"storage": {"storageClass": "fast", "volumeName": "pv-1"}}}),
    "balancer": merged(
        DEV,
        {
            "app": {"enabled": True, "image": "registry.example.org/app:1"},
            "balancer": {
                "enabled": True,
                "ingress": {"className": "nginx", "tlsSecret": "site"},
                "service": {"type": "NodePort", "nodePort": 30080, "keepClientAddress": True},
                "clients": {"addresses": ["10.0.0.0/8"], "namespaces": ["ingress-nginx"]},
            },
        },
    ),
    "other S3": merged(
        PRD, {"backup": {"store": {"endpoint": "http://s3.example.org:9000", "credentialsSecret": "keys"}}}
    ),
}


@pytest.fixture(scope="module", params=list(VARIANTS))
def rendered(request: pytest.FixtureRequest) -> Rendered:
    return run_program(VARIANTS[request.param])


def problems(manifest: dict[str, Any]) -> list[str]:
    """What Kubernetes would drop or refuse in the object."""
    group, _, version = manifest["apiVersion"].rpartition("/")
    module = (group or "core").removesuffix(".authorization.k8s.io").removesuffix(".k8s.io")
    model = getattr(importlib.import_module(f"lightkube.models.{module}_{version}"), manifest["kind"])
    found = list(_unknown(manifest, model, manifest["kind"]))
    try:
        msgspec.convert(manifest, model)
    except msgspec.ValidationError as error:
        found.append(str(error))
    return found


def _unknown(value: Any, kind: Any, path: str) -> Iterator[str]:
    if get_origin(kind) in (Union, types.UnionType):
        kind = next(a for a in get_args(kind) if a is not type(None))
    if get_origin(kind) is list and isinstance(value, list):
        for number, item in enumerate(value):
            yield from _unknown(item, get_args(kind)[0], f"{path}[{number}]")
    elif isinstance(kind, type) and issubclass(kind, msgspec.Struct) and isinstance(value, dict):
        fields = {field.encode_name: field.type for field in msgspec.structs.fields(kind)}
        for key, item in value.items():
            if key in fields:
                yield from _unknown(item, fields[key], f"{path}.{key}")
            elif key not in {"apiVersion", "kind"}:
                yield f"{path}.{key}: unknown field"


def test_every_object_is_one_that_kubernetes_knows(rendered: Rendered) -> None:
    found = [problem for each in rendered.objects for problem in problems(each.inputs)]
    assert not found


def test_the_type_of_each_registration_is_that_of_its_manifest(rendered: Rendered) -> None:
    for each in rendered.objects:
        api = each.inputs["apiVersion"]
        assert each.type == f"kubernetes:{api if '/' in api else f'core/{api}'}:{each.inputs['kind']}"


@pytest.mark.parametrize(
    ("spec", "problem"),
    [
        ({"replica": 1}, "Deployment.spec.replica: unknown field"),
        ({"replicas": "one"}, "Expected `int | null`, got `str` - at `$.spec.replicas`"),
        ({"paused": 1}, "Expected `bool | null`, got `int` - at `$.spec.paused`"),
        ({"template": {"spec": {"containers": {}}}}, "Expected `array`, got `object`"),
        ({"template": {"spec": {"containers": [{}]}}}, "missing required field `name`"),
        (
            {"template": {"spec": {"containers": [{"name": "a", "livenesProbe": {}}]}}},
            "Deployment.spec.template.spec.containers[0].livenesProbe: unknown field",
        ),
    ],
)
def test_what_is_wrong_is_found(spec: dict[str, Any], problem: str) -> None:
    manifest = {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": {"name": "a"},
        "spec": {"selector": {}, "template": {"spec": {"containers": []}}} | spec,
    }
    assert problem in "\n".join(problems(manifest))
