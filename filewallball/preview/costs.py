"""What a change costs those who use the stack: rules by kind, and by the role of what it serves."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal, NamedTuple

from filewallball.engine import kinds
from filewallball.engine.kinds.table import Kind, value_at
from filewallball.engine.ownership.session import refusal
from filewallball.engine.program.resources import PROVIDER_TYPE, Resource, key_of
from filewallball.preview.comparing import OPTIONS, Difference

Object = dict[str, Any]
Sort = Literal["data", "refused", "backups", "sessions", "downtime", "cache", "nothing"]
ORDER: tuple[Sort, ...] = ("data", "refused", "backups", "sessions", "downtime", "cache", "nothing")
"""The worst first."""
WORST: dict[Sort, str] = {
    "data": "data is lost or left behind",
    "refused": "up refuses it",
    "backups": "backups end",
    "sessions": "sessions are interrupted",
    "downtime": "downtime",
    "cache": "the cache is emptied",
    "nothing": "no outage",
}
"""What a title says where this is the worst."""
ROLE_LABEL = "app.kubernetes.io/component"
ROLES = {
    "mariadb": "database",
    "mysql": "database",
    "postgres": "database",
    "redis": "cache",
    "memcached": "cache",
    "valkey": "sessions",
}
"""What an image is for, where no label says so."""
HOLD_DATA = {
    "aws:s3/bucket:Bucket": "the objects in it",
    "aws:s3/bucketV2:BucketV2": "the objects in it",
    "aws:s3/bucketObject:BucketObject": "its content",
    "aws:kms/key:Key": "whatever was encrypted with it",
    "aws:rds/instance:Instance": "its databases",
    "aws:ebs/volume:Volume": "its content",
}
"""What goes with a resource that isn't an object of Kubernetes."""


PLACES = {
    PROVIDER_TYPE: ("cluster", ("kubeconfig", "context", "cluster")),
    "pulumi:providers:aws": ("region", ("region",)),
}
"""What a provider leads to, and the properties that say where that is."""


class Cost(NamedTuple):
    """One thing that a change costs. `nothing` is for what is worth a word and hurts nobody."""

    sort: Sort
    text: str


def costs(difference: Difference) -> list[Cost]:
    """What a change costs, the worst first; empty where there is nothing to say."""
    rules = {"delete": _deleted, "replace": _replaced, "update": _updated}
    rule = rules.get(difference.op)
    found = list(dict.fromkeys(rule(difference))) if rule else []
    return sorted(found, key=lambda each: ORDER.index(each.sort))


def worst(found: list[Cost]) -> Sort:
    """The worst of several costs."""
    return ORDER[min((ORDER.index(each.sort) for each in found), default=-1)]


def _deleted(difference: Difference) -> Iterator[Cost]:
    resource = difference.resource
    if resource.options.protect:
        yield Cost("refused", "it is protected; take `protect` off it in a change of its own first")
        return
    if resource.options.retain:
        yield Cost("nothing", "it leaves the stack and stays where it is, with what it holds")
        return
    if resource.type in HOLD_DATA:
        yield Cost("data", f"{HOLD_DATA[resource.type]} can't be read any more")
    if not resource.is_kubernetes:
        return
    old, kind, role = resource.manifest(), _kind(resource), role_of(resource)
    if (
        kind.name == "PersistentVolume"
        and value_at(old, ("spec", "persistentVolumeReclaimPolicy")) == "Retain"
    ):
        yield Cost("nothing", "the disk behind it stays")
    elif kind.holds_data:
        yield Cost("data", "what it holds is deleted")
    if value_at(old, kind.claims_policy) == "Delete":
        yield Cost("data", "its volume claims are deleted with it")
    if kind.rolled:
        yield {
            "database": Cost("downtime", "the database is gone until it is declared again"),
            "cache": Cost("cache", "the cache is gone, with all that is in it"),
            "sessions": Cost("sessions", "the session servers are gone"),
        }.get(role, Cost("downtime", "its pods are gone"))
        if role == "cache":
            yield Cost("downtime", "applications find no cache")
    elif kind.name == "CronJob":
        if role == "backup":
            yield Cost("backups", "nothing is backed up by it any more")
    elif kind.name == "Service":
        yield Cost("downtime", "clients that use its name or address find nothing there")
    elif kind.secret:
        yield Cost("downtime", "its passwords are gone: pods that start and need it don't start")
    elif kind.name == "NetworkPolicy":
        yield from _policy_gone(old)


def _policy_gone(old: Object) -> Iterator[Cost]:
    spec: Object = old.get("spec") or {}
    if spec.get("ingress") or spec.get("egress"):
        yield Cost("downtime", "connections that only this policy lets through are closed")
    else:
        yield Cost("nothing", "what it shut out may come in from then on")


def _replaced(difference: Difference) -> Iterator[Cost]:
    before, after = difference.old, difference.new
    if before is None or after is None:
        return
    yield from _options(difference)
    if not after.is_kubernetes:
        if after.type in HOLD_DATA:
            yield Cost("data", f"it is new and empty: {HOLD_DATA[after.type]} don't move along")
        return
    if not before.is_kubernetes:
        return
    old, kind, role = before.manifest(), _kind(after), role_of(after)
    yield from _not_replaced(difference, old, kind)
    if kind.rolled:
        yield {
            "database": Cost("downtime", "all its pods stop before new ones start; the volume claims stay"),
            "cache": Cost("cache", "all its pods stop, and the new ones start empty"),
            "sessions": Cost(
                "sessions", "all servers stop at once, and start again with what their disks hold"
            ),
        }.get(role, Cost("downtime", "all its pods stop before new ones start"))
        if role == "cache":
            yield Cost("downtime", "there is no cache until the new pods run")
    elif kind.name == "Service":
        sort: Sort = "sessions" if role == "sessions" else "downtime"
        yield Cost(sort, "it gets another address: clients have to connect anew")
    elif kind.secret:
        yield Cost("downtime", "it is gone for a moment, and generated values are made anew")
    elif kind.name == "Namespace":
        yield Cost("downtime", "everything in it is made anew elsewhere")
    elif kind.name == "Job":
        yield Cost("nothing", "it runs again")


def _not_replaced(difference: Difference, old: Object, kind: Kind) -> Iterator[Cost]:
    """Where replacing loses data, or is refused because it would."""
    before, after = difference.old, difference.new
    if before is None or after is None:
        return
    renamed = any(path[:1] == ("metadata",) for path in difference.reasons)
    if kind.data_stays and renamed:
        yield Cost("data", "it is new and empty: the data doesn't move along to another name or namespace")
        return
    if "name" not in old["metadata"]:
        return
    why, _ = refusal(old, protect=before.options.protect, retain=before.options.retain)
    if why and kind.name == "Namespace" and renamed:
        return
    if kind.holds_data and not (before.options.protect or before.options.retain):
        yield Cost("data", "making it anew deletes what it holds")
    elif why:
        yield Cost("refused", why.replace(str(key_of(old)), "it"))


def _updated(difference: Difference) -> Iterator[Cost]:
    after = difference.resource
    yield from _options(difference)
    if after.type in PLACES:
        what, names = PLACES[after.type]
        if any(change.path[0] in names for change in difference.changes):
            yield Cost("data", f"it names another {what}: nothing of what the old one holds moves along")
        return
    if difference.old is None or not after.is_kubernetes:
        return
    old, new, kind, role = difference.old.manifest(), after.manifest(), _kind(after), role_of(after)
    if kind.rolled and any(path_touches(change.path, ("spec", "template")) for change in difference.changes):
        yield _restart(new, kind, role)
    if kind.sized:
        yield from _resized(old, new, role)
    if kind.claims_volume and any(change.path[:2] == ("spec", "resources") for change in difference.changes):
        yield Cost("nothing", "the volume grows, and can't be made smaller again")
    if kind.claims_policy and value_at(new, kind.claims_policy) == "Delete" != value_at(
        old, kind.claims_policy
    ):
        yield Cost("nothing", "from then on its deletion deletes its volume claims")
    if (
        kind.name == "CronJob"
        and role == "backup"
        and new["spec"].get("suspend")
        and not old["spec"].get("suspend")
    ):
        yield Cost("backups", "it is suspended: nothing is backed up until it is resumed")
    if kind.name == "PersistentVolume":
        now = value_at(new, ("spec", "persistentVolumeReclaimPolicy"))
        if now != "Retain" and value_at(old, ("spec", "persistentVolumeReclaimPolicy")) == "Retain":
            yield Cost("nothing", "from then on its disk is deleted with its claim")


def _restart(new: Object, kind: Kind, role: str) -> Cost:
    spec: Object = new.get("spec") or {}
    replicas = spec.get("replicas", 1)
    if role == "cache" and not _keeps(spec):
        return Cost("cache", "its pods restart, and the new ones start empty")
    if role == "sessions":
        return Cost(
            "nothing", "its pods restart one by one; a primary hands over first, so no session is lost"
        )
    strategy: Object = spec.get("strategy") or {}
    rolling: Object = strategy.get("rollingUpdate") or {}
    unavailable = rolling.get("maxUnavailable", 0)
    everything = unavailable == "100%" or (isinstance(unavailable, int) and 0 < replicas <= unavailable)
    if strategy.get("type") == "Recreate" or everything:
        return Cost("downtime", "its pods stop before new ones start: some seconds of downtime")
    if kind.name == "StatefulSet" and replicas == 1:
        what = "the database restarts" if role == "database" else "its only pod restarts"
        return Cost("downtime", f"{what}: some seconds of downtime")
    if kind.name == "StatefulSet":
        return Cost("nothing", "its pods restart one by one")
    return Cost("nothing", "new pods start before old ones stop")


def _keeps(spec: Object) -> bool:
    """Whether the pods keep on a volume what they hold."""
    if spec.get("volumeClaimTemplates"):
        return True
    template: Object = spec.get("template") or {}
    pod: Object = template.get("spec") or {}
    volumes: list[Object] = pod.get("volumes") or []
    return any(volume.get("persistentVolumeClaim") for volume in volumes)


def _resized(old: Object, new: Object, role: str) -> Iterator[Cost]:
    before, after = (each.get("spec", {}).get("replicas", 1) for each in (old, new))
    if after == 0 != before:
        sort: Sort = "sessions" if role == "sessions" else "downtime"
        yield Cost(sort, "no pod of it runs from then on")
    elif after < before:
        yield Cost("nothing", f"{before - after} fewer of its pods run from then on")


def _options(difference: Difference) -> Iterator[Cost]:
    for change in difference.changes:
        if change.path == (OPTIONS, "protect") and change.before:
            yield Cost("nothing", "it isn't protected any more: a later change can delete it")
        if change.path == (OPTIONS, "retainOnDelete") and change.before:
            yield Cost("nothing", "from then on its deletion deletes what it holds")


def role_of(resource: Resource) -> str:
    """What an object is for: `database`, `cache`, `sessions`, `backup` …; empty where nothing says so."""
    labels: Object = resource.meta.get("labels") or {}
    if labels.get(ROLE_LABEL):
        return str(labels[ROLE_LABEL])
    spec: Object = resource.props.get("spec") or {}
    template: Object = spec.get("template") or {}
    pod: Object = template.get("spec") or {}
    containers: list[Object] = pod.get("containers") or []
    for container in containers:
        name = str(container.get("image") or "").partition("@")[0].rpartition("/")[2].partition(":")[0]
        if name in ROLES:
            return ROLES[name]
    return ""


def path_touches(path: tuple[str | int, ...], other: tuple[str, ...]) -> bool:
    """Whether one of two paths lies at or below the other."""
    return all(one == two for one, two in zip(path, other, strict=False))


def _kind(resource: Resource) -> Kind:
    return kinds.of(resource.api_version, resource.kind)
