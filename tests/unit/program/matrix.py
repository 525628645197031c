"""Wrong and right values for every setting, made from the models: what is added to them is tried too."""

from __future__ import annotations

import json
import types
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Annotated, Any, Literal, Union, get_args, get_origin

from program_run import DEV, PRD_AWS, merged
from pydantic import BaseModel
from pydantic.fields import FieldInfo

from components.reasons import inner_model
from settings import PROJECT, Settings

LONG = "x" * 5000
WRONG: dict[str, list[Any]] = {
    "text": [["a"], {"a": "b"}, 7, 1.5, True, "", " ", LONG, "한글 ☃", "a\tb", None],
    "int": ["seven", "", ["1"], {"a": 1}, True, -1, 0, 10**9, 1.5, "1e3", "12:30", "٧", "9" * 400, None],
    "float": ["much", "", [1.0], {"a": 1}, True, -1, 10**9, float("inf"), float("nan"), None],
    "bool": ["yes", "off", "1", "maybe", "", 1, 0, ["true"], {"a": 1}, None],
    "list": ["x", "", 7, {"a": 1}, True, [["a"]], [{"a": 1}], [None], [True], [""], None],
    "dict": ["x", "", 7, ["a"], True, {"a": ["x"]}, {"a": 1}, {"a": None}, {"": "x"}, {"a b": "x"}, None],
    "choice": ["other", "", 7, ["other"], {"a": 1}, True, None],
    "part": ["x", "", 7, ["a"], True, None],
}
"""By the kind of a setting, what must not be taken for it."""
TAKEN = {
    "cluster.context": ["한글 ☃", "a\tb"],  # a kubeconfig may call its contexts anything
    "cluster.kubeconfig": ["한글 ☃"],
    "backup.store.prefix": [""],
    "app.maxUploadBytes": [10**9],
}
"""Of these, what is right after all."""
RIGHT: dict[str, list[Any]] = {
    "cluster.context": ["arn:aws:eks:eu-central-1:123456789012:cluster/production", "한글 ☃"],
    "cluster.kubeconfig": ["~/.kube/other", "configs/kube config"],
    "mariadb.storage.storageClass": ["gp3-retain", "rook-ceph.block"],
    "mariadb.storage.volumeName": ["pv-0001"],
    "valkey.quorum": [3, 5, "4"],
    "valkey.storage.storageClass": ["gp3"],
    "valkey.sentinelStorage.storageClass": ["gp3"],
    "backup.store.bucket": ["my-backups", "a.b-c"],
    "backup.store.aws.kmsKey": ["arn:aws:kms:ap-northeast-2:123456789012:key/mrk-1"],
    "backup.store.aws.profile": ["shop+ops"],
    "backup.store.aws.objectLock": [{}, {"days": 30}, '{"mode": "compliance"}'],
    "tls.enabled": [True, "true"],
    "tls.certManager.issuer": ["company-ca", "vault.issuer-1"],
    "tls.certManager.kind": ["ClusterIssuer"],
    "app.image": ["registry.example.org/team/app:1"],
    "app.files.bucket": ["walls"],
    "balancer.enabled": [True, "true"],
    "balancer.image": [
        "docker.io/library/nginx:1.22",
        "registry.example.org/nginx-unprivileged:1.30.1-alpine",
    ],
    "balancer.hosts": [["mincenter.kr", "*.mincenter.kr"], '["203.0.113.5"]'],
    "balancer.service.type": ["NodePort", "LoadBalancer"],
    "balancer.service.nodePort": [30080, "32767"],
    "balancer.clients.addresses": [["10.0.0.0/8", "fd00::/8"]],
    "balancer.statusClients": [[], ["192.0.2.0/24"]],
    "balancer.tlsSecret": ["site-tls"],
    "balancer.ingress.className": ["nginx"],
    "balancer.route.gateway": ["public"],
    "balancer.peers.image": ["registry.example.org/team/peers:1"],
    "app.files.credentialsSecret": ["wall-keys"],
    "app.trustedProxies": [[], ["10.244.0.0/16", "fd00::/8"]],
    "toolkit.image": ["registry.example.org:5000/team/toolkit:1"],
    "agent.image": ["registry.example.org/team/agent:1"],
    "timeZone": ["Etc/GMT+9", "America/Argentina/Ushuaia"],
    "mariadb.maxConnections": [10, "150"],
    "mariadb.storage.size": ["1.5Gi", "10G", "5000Mi"],
    "mariadb.resources.cpu": ["2", "0.25", "1500m"],
    "redis.maxmemory": ["200mb", "200MB", "100m"],
    "backup.schedule": ["@daily", "30 1 * * *", "0 2,14 * jan-dec sun-sat"],
    "backup.store.prefix": ["", "team/dev.1/"],
    "valkey.appendOnly": [True, "True", "false"],
    "cluster.dns.addresses": [[], ["10.96.0.10/32", "fd00::/8"]],
    "cluster.apiServerPorts": [[6443], ["6443"]],
}
"""Values beside the defaults that must be taken; those of settings that have no default, above all."""


BALANCED: dict[str, Any] = {
    **DEV,
    "app": {"enabled": True, "image": "registry.example.org/team/app:1"},
    "balancer": {"enabled": True},
}
BASES: dict[str, dict[str, Any]] = {
    "cluster.context": {**DEV, "cluster": {"context": "some"}},
    "cluster.kubeconfig": {**DEV, "cluster": {"context": "some"}},
    "backup.store.bucket": {**DEV, "backup": {"store": {"bucket": "some-bucket"}}},
    "backup.store.ca": {**DEV, "backup": {"store": {"bucket": "some-bucket"}}},
    "backup.store.ca.": {**DEV, "backup": {"store": {"bucket": "some-bucket", "ca": {"secret": "own"}}}},
    "backup.store.aws": PRD_AWS,
    "protect": PRD_AWS,
    "balancer": BALANCED,
    "balancer.service.nodePort": merged(BALANCED, {"balancer": {"service": {"type": "NodePort"}}}),
    "balancer.ingress": merged(BALANCED, {"balancer": {"ingress": {}}}),
    "balancer.route": merged(BALANCED, {"balancer": {"route": {"gateway": "some"}}}),
    "tls.certManager": {**DEV, "tls": {"enabled": True, "certManager": {"issuer": "ca"}}},
}
"""What a stack is beside the setting, where it isn't DEV: by how its path begins; the longest counts."""
ALTERNATIVES = {
    "cluster.sandbox", "cluster.context", "backup.store.inCluster", "backup.store.bucket", "backup.store.aws",
    "backup.store.aws.oidcProvider", "backup.store.ca.configMap", "backup.store.ca.secret",
}  # fmt: skip
"""One of several must be set, so that none of these can be left at its default alone."""


@dataclass(frozen=True)
class Setting:
    """A setting: its dotted path, its field, and its default at this place."""

    path: str
    field: FieldInfo
    default: Any = None

    @property
    def kind(self) -> str:
        return _kind(self.field.annotation)

    @property
    def optional(self) -> bool:
        return type(None) in get_args(self.field.annotation)

    @property
    def top(self) -> bool:
        """Whether it stands right below `config:`, where Pulumi takes every scalar for a text."""
        return "." not in self.path

    def wrong(self) -> Iterator[Any]:
        for value in WRONG[self.kind]:
            if value is None and self.optional:
                continue
            if self.top and self.kind in ("text", "bool") and value in (7, 1.5, True, 0):
                continue
            if value not in TAKEN.get(self.path, ()):
                yield value

    def right(self) -> Iterator[Any]:
        if self.path not in ALTERNATIVES and not self.field.is_required():
            yield self.default
        yield from RIGHT.get(self.path, ())

    def stack(self, value: Any) -> dict[str, Any]:
        """A stack that is right but for this value."""
        fitting = [start for start in BASES if self.path.startswith(start)]
        base = BASES[max(fitting, key=len)] if fitting else DEV
        for part in reversed(self.path.split(".")):
            value = {part: value}
        return merged(base, value)


def _kind(annotation: Any) -> str:
    origin = get_origin(annotation)
    if origin in (Union, types.UnionType):
        return _kind(next(each for each in get_args(annotation) if each is not type(None)))
    if origin is Annotated:
        return _kind(get_args(annotation)[0])
    if inner_model(annotation):
        return "part"
    names = {
        Literal: "choice",
        list: "list",
        dict: "dict",
        str: "text",
        int: "int",
        float: "float",
        bool: "bool",
    }
    return names[origin or annotation]


def every(
    model: type[BaseModel] = Settings, above: str = "", defaults: dict[str, Any] | None = None
) -> Iterator[Setting]:
    """Every setting at every place. The same part at a second place, such as resources, counts again."""
    for name, field in model.model_fields.items():
        key = field.alias or name
        own = field.get_default()
        written = own.model_dump(mode="json", by_alias=True) if isinstance(own, BaseModel) else own
        default = (defaults or {}).get(key, None if field.is_required() else written)
        setting = Setting(above + key, field, default)
        yield setting
        if inner := inner_model(field.annotation):
            yield from every(inner, f"{setting.path}.", default if isinstance(default, dict) else None)


def each_once() -> list[Setting]:
    """Every field of every model, at the first place where the model stands."""
    seen: set[int] = set()
    found: list[Setting] = []
    for setting in every():
        if id(setting.field) not in seen:
            seen.add(id(setting.field))
            found.append(setting)
    return found


def misspelt(name: str) -> set[str]:
    """A key with a letter too many, in capitals, and as Python would write it."""
    snake = "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in name)
    return {name + name[-1], name.upper(), snake, name.lower()} - {name}


def as_file(values: dict[str, Any]) -> str:
    """The values as the file of a stack. JSON is YAML, and keeps `yes` a text."""
    return json.dumps(
        {"config": {f"{PROJECT}:{key}": value for key, value in values.items()}}, ensure_ascii=False
    )
