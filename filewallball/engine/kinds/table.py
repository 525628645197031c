"""The table of kinds: how each is deleted, what it holds, how it gets ready, and which pods are its own.

A kind that isn't in it has nothing special: it goes in the middle, holds nothing, and is ready at once.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from filewallball.engine.kinds import states
from filewallball.engine.kinds.states import State

Object = dict[str, Any]
Path = tuple[str, ...]
"""Where a value stands in an object, key by key."""

FIRST, MIDDLE, LAST = 0, 1, 6
BUILT_IN = frozenset(
    f"{name}.k8s.io"
    for name in (
        "admissionregistration", "apiextensions", "apiregistration", "authentication", "authorization",
        "certificates", "coordination", "discovery", "events", "flowcontrol.apiserver", "internal.apiserver",
        "networking", "node", "rbac.authorization", "resource", "scheduling", "storage", "storagemigration",
    )
)  # fmt: skip
"""Kubernetes' own groups with a dot. Any other is of custom resources (`gateway.networking.k8s.io`)."""


@dataclass(frozen=True)
class Kind:
    """What is known of one kind. Every field but the first two has a default that fits most kinds."""

    api_version: str
    name: str

    rank: int = MIDDLE
    """When it is deleted, where no dependency says so: the lowest rank first."""
    foreground: bool = False
    """Its deletion waits for what it owns, so that what comes next meets none of the old pods."""
    holds_data: bool = False
    """Deleting it deletes data, or whatever else is stored under it."""
    data_stays: bool = False
    """Its data doesn't follow it to another name or namespace."""
    occupies: bool = False
    """One that somebody else made keeps its namespace from being deleted."""
    claims_policy: Path = ()
    """The field that says `Delete` where deleting the object takes its volume claims along."""
    secret: str = ""
    """The field whose values are secrets, in base64."""
    secret_text: str = ""
    """The same as plain text: the server takes this field, and never gives it back."""

    state: Callable[[Object], State] = states.at_once
    """How its readiness is read from its status."""
    ended: Callable[[Object], bool] = states.never
    """Whether it has done its work and is only left to be looked at."""
    claims_volume: bool = False
    """It waits for a volume: where the storage class says so, for one that is made for its first pod."""
    anew_after_failure: bool = False
    """One that has failed stays so: an update has to make it anew."""
    refusal_event: str = ""
    """The reason of the event that tells that the object itself is refused what it needs."""

    has_pods: bool = False
    """Its pods are looked at while it is waited for."""
    rolled: bool = False
    """Its controller brings its pods to a new revision step by step."""
    rolled_by: tuple[str, str] | None = None
    """Version and kind of the objects in between, one for each revision."""
    revision: Path = ()
    """The field with the newest revision; `rolled_by` has its own in the same field."""
    revision_label: str = ""
    """The label of a pod that says of which revision it is."""
    sized: bool = False
    """`spec.replicas` says how many pods there will be."""
    stalls: bool = False
    """An old pod that isn't ready holds up the update that would mend it (kubernetes issue 67250)."""
    counts_crashes: bool = False
    """Its controller counts the crashes of its pods, and gives up by itself."""
    pods_label: str = ""
    """The label of its pods that bears its name."""

    @property
    def group(self) -> str:
        """The API group; empty for the core."""
        return group_of(self.api_version)

    @property
    def group_kind(self) -> str:
        """`apps/Deployment`; `/Pod` of the core."""
        return f"{self.group}/{self.name}"

    @property
    def secret_fields(self) -> tuple[str, ...]:
        """All fields whose values are secrets."""
        return tuple(filter(None, (self.secret, self.secret_text)))


DEPLOYMENT = Kind(
    "apps/v1",
    "Deployment",
    rank=FIRST,
    foreground=True,
    occupies=True,
    state=states.deployment,
    has_pods=True,
    rolled=True,
    rolled_by=("apps/v1", "ReplicaSet"),
    revision=("metadata", "annotations", "deployment.kubernetes.io/revision"),
    sized=True,
)
STATEFUL_SET = Kind(
    "apps/v1",
    "StatefulSet",
    rank=FIRST,
    foreground=True,
    occupies=True,
    claims_policy=("spec", "persistentVolumeClaimRetentionPolicy", "whenDeleted"),
    state=states.stateful_set,
    has_pods=True,
    rolled=True,
    revision=("status", "updateRevision"),
    revision_label="controller-revision-hash",
    sized=True,
    stalls=True,
)
DAEMON_SET = Kind(
    "apps/v1",
    "DaemonSet",
    rank=FIRST,
    foreground=True,
    occupies=True,
    state=states.daemon_set,
    has_pods=True,
    rolled=True,
    # deprecated, and yet all there is to match pods by
    revision=("metadata", "annotations", "deprecated.daemonset.template.generation"),
    revision_label="pod-template-generation",
)
REPLICA_SET = Kind("apps/v1", "ReplicaSet", rank=FIRST, foreground=True)
CRON_JOB = Kind("batch/v1", "CronJob", rank=FIRST, foreground=True, occupies=True)
JOB = Kind(
    "batch/v1",
    "Job",
    rank=FIRST,
    foreground=True,
    occupies=True,
    state=states.job,
    ended=states.job_ended,
    anew_after_failure=True,
    has_pods=True,
    counts_crashes=True,
    pods_label="batch.kubernetes.io/job-name",
)
POD = Kind(
    "v1",
    "Pod",
    rank=FIRST,
    foreground=True,
    occupies=True,
    state=states.pod,
    ended=states.pod_ended,
    has_pods=True,
)
SERVICE = Kind("v1", "Service", state=states.service)
SECRET = Kind("v1", "Secret", secret="data", secret_text="stringData")  # noqa: S106 - names of fields
CLAIM = Kind(
    "v1",
    "PersistentVolumeClaim",
    rank=2,
    holds_data=True,
    data_stays=True,
    occupies=True,
    state=states.claim,
    claims_volume=True,
    refusal_event="ProvisioningFailed",
)
VOLUME = Kind("v1", "PersistentVolume", rank=3, holds_data=True, data_stays=True, state=states.volume)
STORAGE_CLASS = Kind("storage.k8s.io/v1", "StorageClass", rank=4)
NAMESPACE = Kind("v1", "Namespace", rank=5, holds_data=True, state=states.namespace)
DEFINITION = Kind(
    "apiextensions.k8s.io/v1",
    "CustomResourceDefinition",
    rank=LAST,
    holds_data=True,
    state=states.definition,
)
TABLE = (
    CLAIM, DEPLOYMENT, STATEFUL_SET, DAEMON_SET, REPLICA_SET, CRON_JOB, JOB, POD,
    SERVICE, SECRET, VOLUME, STORAGE_CLASS, NAMESPACE, DEFINITION,
)  # fmt: skip


def of(api_version: str, name: str) -> Kind:
    """The kind of this name and group, whatever its version."""
    group = group_of(api_version)
    known = KNOWN.get((group, name))
    if known:
        return known
    # a custom resource goes while its controller still runs
    custom = "." in group and group not in BUILT_IN
    # somebody else's kind of this name will hold secrets as well
    fields = (SECRET.secret, SECRET.secret_text) if name == SECRET.name else ("", "")
    return Kind(api_version, name, rank=FIRST if custom else MIDDLE, secret=fields[0], secret_text=fields[1])


def kind_of(obj: Object) -> Kind:
    """The kind of an object."""
    return of(obj["apiVersion"], obj["kind"])


def group_of(api_version: str) -> str:
    """The group of `v1` (the empty text) or of `group/version`."""
    return api_version.rpartition("/")[0]


def value_at(obj: Object, path: Path) -> str:
    """The text at a path of an object, empty where there is none."""
    if not path:
        return ""
    parent = obj
    for step in path[:-1]:
        parent: Object = parent.get(step) or {}
    return str(parent.get(path[-1]) or "")


KNOWN = {(kind.group, kind.name): kind for kind in TABLE}
