#!/usr/bin/env python3
"""Writes components/kinds.py, the types of Kubernetes objects; with --check, says whether it is current.

They come from lightkube's models, which are made from the API's own description. A component that needs one
more kind adds it to KINDS; a field that a program fills with an output stands in OUTPUTS.
"""

from __future__ import annotations

import importlib
import keyword
import sys
import types
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Union, get_args, get_origin

import msgspec

ROOT = Path(__file__).resolve().parent.parent
TARGET = ROOT / "components" / "kinds.py"

KINDS = {
    "v1": (
        "ConfigMap", "Namespace", "PersistentVolume", "PersistentVolumeClaim", "PodTemplate", "Secret",
        "Service", "ServiceAccount",
    ),
    "apps/v1": ("Deployment", "StatefulSet"),
    "batch/v1": ("CronJob", "Job"),
    "networking.k8s.io/v1": ("Ingress", "NetworkPolicy"),
    "policy/v1": ("PodDisruptionBudget",),
    "rbac.authorization.k8s.io/v1": ("Role", "RoleBinding"),
}  # fmt: skip
"""The kinds that components declare, by apiVersion."""

OUTPUTS = {
    "ObjectMeta": ("name", "namespace"),
    "ObjectReference": ("namespace",),
    "PersistentVolumeClaimSpec": ("volumeName",),
    "Secret": ("data",),
    "Subject": ("namespace",),
}
"""Only these may be outputs. Templates are plain data, since names and hashes are computed from them."""

RETYPED = {("StatefulSetSpec", "volumeClaimTemplates"): "list[PersistentVolumeClaimTemplate]"}
"""A claim within a StatefulSet says neither its kind nor its apiVersion."""

FILLED = {
    "Container": (
        "command", "env", "image", "imagePullPolicy", "name", "resources", "securityContext",
        "terminationMessagePolicy", "volumeMounts",
    ),
    "PodSpec": (
        "automountServiceAccountToken", "containers", "enableServiceLinks", "securityContext",
        "serviceAccountName", "terminationGracePeriodSeconds", "volumes",
    ),
    "ServiceSpec": ("ports", "selector"),
}  # fmt: skip
"""What a function of components/pods.py or kube.py fills in itself. All else is a keyword argument of it."""

LEFT_OUT = {"status", "managedFields", "ephemeralContainers", "schedulingGroup", "scheduling", "flexVolume"}
"""Fields that only the cluster writes, or that are for storage and schedulers which no component uses."""
LEFT_OUT_TYPES = (
    "AWS", "Azure", "Ceph", "Cinder", "FC", "Flex", "Flocker", "GCE", "GitRepo", "Glusterfs", "ISCSI", "NFS",
    "Photon", "Portworx", "Quobyte", "RBD", "ScaleIO", "StorageOS", "Vsphere", "Windows", "Workload",
)  # fmt: skip
"""How the names of such types begin."""

HEAD = '''"""The types of Kubernetes objects, for pyright and editors alone: never imported at run time.

Made by scripts/kinds.py, a test holds the two together. Don't edit it: add the kind there, and run that.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal, NotRequired, TypedDict

import pulumi
'''


def main() -> int:
    text = document()
    if "--check" in sys.argv:
        current = TARGET.exists() and TARGET.read_text(encoding="utf-8") == text
        print(
            "current"
            if current
            else f"{TARGET.relative_to(ROOT)} is stale: run scripts/{Path(__file__).name}"
        )
        return 0 if current else 1
    TARGET.write_text(text, encoding="utf-8")
    return 0


def document() -> str:
    """The whole module."""
    tops = {_model(version, kind): version for version, kinds in KINDS.items() for kind in kinds}
    found: dict[str, type[msgspec.Struct]] = {}
    for model in tops:
        _collect(model, found)
    parts = [HEAD]
    for name, model in sorted(found.items()):
        parts += _classes(name, _fields(model, tops.get(model)))
    union = "\n    | ".join(sorted(model.__name__ for model in tops))
    return "\n\n".join([*parts, f"Manifest = (\n    {union}\n)\n"])


def _model(version: str, kind: str) -> type[msgspec.Struct]:
    group, _, number = version.rpartition("/")
    module = (group or "core").removesuffix(".authorization.k8s.io").removesuffix(".k8s.io")
    return getattr(importlib.import_module(f"lightkube.models.{module}_{number}"), kind)


def _collect(model: type[msgspec.Struct], found: dict[str, type[msgspec.Struct]]) -> None:
    if found.setdefault(model.__name__, model) is not model:
        raise SystemExit(f"two types are called {model.__name__}: name one of them otherwise")
    for field in _used(model):
        inner = _struct(field.type)
        if inner and inner.__name__ not in found:
            _collect(inner, found)


def _used(model: type[msgspec.Struct]) -> Iterator[Any]:
    for field in msgspec.structs.fields(model):
        inner = _struct(field.type)
        of_one_make = inner is not None and inner.__name__.startswith(LEFT_OUT_TYPES)
        if field.encode_name not in LEFT_OUT and not of_one_make:
            yield field


def _struct(annotation: Any) -> type[msgspec.Struct] | None:
    """The model within an annotation such as `Optional[List[Model]]`."""
    if isinstance(annotation, type) and issubclass(annotation, msgspec.Struct):
        return annotation
    return next((found for each in get_args(annotation) if (found := _struct(each))), None)


def _fields(model: type[msgspec.Struct], version: str | None) -> dict[str, str]:
    """Field → its type, as written into the module."""
    outputs = OUTPUTS.get(model.__name__, ())
    result: dict[str, str] = {}
    for field in _used(model):
        name = field.encode_name
        written = RETYPED.get((model.__name__, name)) or _written(field.type)
        if version and name in {"apiVersion", "kind"}:
            continue
        if name in outputs:
            written = f"pulumi.Input[{written}]"
        required = field.required or (version and name == "metadata")
        result[name] = written if required else f"NotRequired[{written}]"
    if version:
        result = {
            "apiVersion": f'Literal["{version}"]',
            "kind": f'Literal["{model.__name__}"]',
            **result,
        }
    return result


def _written(annotation: Any) -> str:
    if get_origin(annotation) in (Union, types.UnionType):
        return " | ".join(_written(each) for each in get_args(annotation) if each is not type(None))
    if get_origin(annotation) is list:
        return f"list[{_written(get_args(annotation)[0])}]"
    if annotation is dict:  # every one of them holds text: labels, data, amounts
        return "Mapping[str, str]"
    return "str" if annotation.__name__ == "datetime" else annotation.__name__


def _classes(name: str, fields: dict[str, str]) -> Iterator[str]:
    base = "TypedDict"
    if name in FILLED:
        more = {key: kind for key, kind in fields.items() if key not in FILLED[name]}
        fields = {key: kind for key, kind in fields.items() if key in FILLED[name]}
        base = f"{name}More"
        yield _class(base, "TypedDict", more)
    yield _class(name, base, fields)


def _class(name: str, base: str, fields: dict[str, str]) -> str:
    if any(keyword.iskeyword(key) for key in fields):
        lines = "".join(f'        "{key}": "{kind}",\n' for key, kind in fields.items())
        return f'{name} = TypedDict(\n    "{name}",\n    {{\n{lines}    }},\n)\n'
    lines = "".join(f"    {key}: {kind}\n" for key, kind in fields.items())
    return f"class {name}({base}):\n{lines or '    pass' + chr(10)}"


if __name__ == "__main__":
    sys.exit(main())
