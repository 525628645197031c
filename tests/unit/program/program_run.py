"""Runs the program under the SDK's mocks and records what it registers: no cluster, no Pulumi CLI."""

from __future__ import annotations

import asyncio
import json
import runpy
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pulumi
from pulumi.runtime import config as pulumi_config
from pulumi.runtime import mocks, rpc

ROOT = Path(__file__).parents[3]
SECRET_MARK = "4dabf18193072939515e22adb298388d"
DIGEST = "@sha256:" + "0" * 63 + "1"

DEV: dict[str, Any] = {
    "cluster": {"sandbox": "filewallball"},
    "disposable": True,
    "backup": {"store": {"inCluster": True}},
}
PRD: dict[str, Any] = {
    "cluster": {"context": "production"},
    "protect": True,
    "mariadb": {"image": f"docker.io/library/mariadb:10.11{DIGEST}"},
    "redis": {"image": f"docker.io/library/redis:7.2-bookworm{DIGEST}"},
    "valkey": {"image": f"docker.io/valkey/valkey:8.1{DIGEST}"},
    "toolkit": {"image": f"registry.example.org/filewallball/toolkit:1{DIGEST}"},
    "agent": {"image": f"registry.example.org/filewallball/agent:1{DIGEST}"},
    "checks": {"serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::0:role/check"}},
    "backup": {
        "store": {"bucket": "some-bucket", "region": "ap-northeast-2"},
        "serviceAccountAnnotations": {"eks.amazonaws.com/role-arn": "arn:aws:iam::0:role/backup"},
    },
}


ACCOUNT = "123456789012"
ISSUER = "oidc.eks.ap-northeast-2.amazonaws.com/id/EXAMPLE"
AWS: dict[str, Any] = {
    "bucket": "some-bucket",
    "region": "ap-northeast-2",
    "account": ACCOUNT,
    "oidcProvider": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{ISSUER}",
}
"""A bucket that the stack makes."""
PRD_AWS: dict[str, Any] = {
    **{key: value for key, value in PRD.items() if key != "checks"},
    "backup": {"store": {"prefix": "team/", "aws": AWS}},
}


@dataclass
class Registered:
    """One registration as the engine receives it."""

    type: str
    name: str
    urn: str
    inputs: dict[str, Any]
    parent: str
    provider: str
    protect: bool
    retain_on_delete: bool
    ignore_changes: list[str]
    secret_outputs: list[str]
    depends_on: set[str]
    secret: bool

    @property
    def kind(self) -> str:
        return self.type.rpartition(":")[2]

    @property
    def is_object(self) -> bool:
        return self.type.startswith("kubernetes:")


@dataclass
class Rendered:
    resources: list[Registered] = field(default_factory=list)
    outputs: dict[str, Any] = field(default_factory=dict)

    @property
    def objects(self) -> list[Registered]:
        return [r for r in self.resources if r.is_object]

    def object(self, kind: str, name: str) -> Registered:
        return next(r for r in self.objects if r.kind == kind and r.inputs["metadata"]["name"] == name)

    def pod_templates(self) -> Iterator[tuple[str, dict[str, Any]]]:
        for found in self.objects:
            spec = found.inputs.get("spec", {})
            if found.kind == "CronJob":
                yield found.name, spec["jobTemplate"]["spec"]["template"]
            elif found.kind == "PodTemplate":
                yield found.name, found.inputs["template"]
            elif "template" in spec:
                yield found.name, spec["template"]


class _Echo(mocks.Mocks):
    def new_resource(self, args: mocks.MockResourceArgs) -> tuple[str, dict[str, Any]]:
        return f"{args.name}-id", args.inputs

    def call(self, args: mocks.MockCallArgs) -> dict[str, Any]:
        raise AssertionError(f"the program asks the cluster: {args.token}")


class _Recorder(mocks.MockMonitor):
    def __init__(self, rendered: Rendered) -> None:
        super().__init__(_Echo())
        self.rendered = rendered

    def RegisterResource(self, request: Any) -> Any:
        response = super().RegisterResource(request)
        if request.type != "pulumi:pulumi:Stack":
            inputs = rpc.deserialize_properties(request.object, keep_unknowns=True)
            plain, secret = unwrap(inputs)
            self.rendered.resources.append(
                Registered(
                    type=request.type,
                    name=request.name,
                    urn=response.urn,
                    inputs=plain,
                    parent=request.parent,
                    provider=request.provider,
                    protect=request.protect,
                    retain_on_delete=request.retainOnDelete,
                    ignore_changes=list(request.ignoreChanges),
                    secret_outputs=list(request.additionalSecretOutputs),
                    depends_on=set(request.dependencies),
                    secret=secret,
                )
            )
        return response


def unwrap(value: Any) -> tuple[Any, bool]:
    """The plain value, and whether anything in it is marked as secret."""
    if isinstance(value, dict):
        if SECRET_MARK in value or rpc._special_sig_key in value:
            return unwrap(value["value"])[0], True
        pairs = {key: unwrap(inner) for key, inner in value.items()}
        return {key: inner for key, (inner, _) in pairs.items()}, any(secret for _, secret in pairs.values())
    if isinstance(value, list):
        pairs_ = [unwrap(inner) for inner in value]
        return [inner for inner, _ in pairs_], any(secret for _, secret in pairs_)
    if isinstance(value, float) and value.is_integer():
        return int(value), False  # a registration knows only one kind of number
    return value, False


def run_program(
    values: dict[str, Any],
    stack: str = "test",
    *,
    preview: bool = False,
    secret: Iterable[str] = (),
    into: Rendered | None = None,
) -> Rendered:
    """Run __main__.py with these settings. Raises what the program raises.

    secret: keys whose values must not be shown. into: takes what was registered until then, too.
    """
    rendered = Rendered() if into is None else into
    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    mocks.set_mocks(
        _Echo(), project="filewallball", stack=stack, preview=preview, monitor=_Recorder(rendered)
    )
    text = {key: value if isinstance(value, str) else json.dumps(value) for key, value in values.items()}
    whole = {key if ":" in key else f"filewallball:{key}": value for key, value in text.items()}
    pulumi_config.set_all_config(whole, list(secret))

    @pulumi.runtime.test
    def run() -> None:
        runpy.run_path(str(ROOT / "__main__.py"))
        root = pulumi.runtime.get_root_resource()
        rendered.outputs = dict(getattr(root, "outputs", {}))

    try:
        run()
    finally:
        loop.close()
    return rendered


def merged(base: dict[str, Any], change: dict[str, Any]) -> dict[str, Any]:
    """`base` with the change's values, mapping by mapping."""
    result = dict(base)
    for key, value in change.items():
        inner = result.get(key)
        result[key] = merged(inner, value) if isinstance(inner, dict) and isinstance(value, dict) else value
    return result
