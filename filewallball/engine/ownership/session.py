"""One stack on one cluster: what is there, whose it is, and how an object of the stack is written."""

from __future__ import annotations

import copy
import json
import re
import secrets
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from filewallball.engine.kinds import kind_of
from filewallball.engine.kinds.table import DEFINITION, value_at
from filewallball.engine.ownership.record import LABEL, MANAGER, label_value
from filewallball.engine.program.resources import USE_THE_CLI, Key, Resource, key_of
from filewallball.engine.showing.diff import PREFIX, keep_ignored
from filewallball.errors import UserError
from filewallball.kube import Kube, KubeError, UnknownKind
from filewallball.redact import Redactor

Object = dict[str, Any]
URN = f"{PREFIX}urn"
OPTIONS = f"{PREFIX}options"
PULUMI_MANAGER = "pulumi-kubernetes"
IMMUTABLE = re.compile(
    r"immutable|updates to statefulset spec|may not change once set|cannot change roleRef"
    r"|can not be less than",
    re.IGNORECASE,
)


class NotOurs(UserError):
    """An object bears a name of the stack, and somebody else made it; `by_pulumi`: the Pulumi CLI."""

    def __init__(self, message: str, hint: str, *, by_pulumi: bool = False) -> None:
        super().__init__(message, hint)
        self.by_pulumi = by_pulumi


class Session:
    """Knows all objects of the stack that are in the cluster (`live`), by identity and by URN."""

    def __init__(self, kube: Kube, project: str, stack: str, redactor: Redactor, *, take_over: bool) -> None:
        self.kube = kube
        self.stack_label = label_value(project, stack)
        self.live: dict[Key, Object] = {}
        self.by_urn: dict[str, Object] = {}
        self.planned: set[Key] = set()
        self._redactor = redactor
        self._take_over = take_over

    def prefetch(self, kinds: set[str]) -> None:
        """Ask for all objects of the stack, of these group-kinds, at once."""
        discovery = self.kube.discovery()
        served = [discovery.of_group_kind(*kind.rsplit("/", 1)) for kind in sorted(kinds)]
        selector = f"{LABEL}={self.stack_label}"

        def ask(resource: Any) -> list[Object]:
            return self.kube.list(resource.api_version, resource.kind, labels=selector)

        with ThreadPoolExecutor(8) as pool:
            for objects in pool.map(ask, filter(None, served)):
                for obj in objects:
                    self.remember(obj)

    def remember(self, obj: Object) -> None:
        """Take an object into account: for lookups, and its secrets for redaction."""
        self._learn_secrets(obj)
        if urn_of(obj):
            self.live[key_of(obj)] = obj
            self.by_urn[urn_of(obj)] = obj

    def manifest(self, resource: Resource, default_namespace: str) -> Object:
        """The resource's object with name and namespace settled. Raises UnknownKind, UserError."""
        manifest = resource.manifest()
        if resource.kind.endswith("Patch") and resource.kind != "Patch":
            raise UserError(
                f"{resource.urn}: only the provider of the Pulumi CLI knows {resource.kind}", USE_THE_CLI
            )
        served = self.kube.discovery().resource(manifest["apiVersion"], manifest["kind"])
        meta = manifest["metadata"]
        if served.namespaced:
            meta.setdefault("namespace", default_namespace)
        else:
            meta.pop("namespace", None)
        if not meta.get("name"):
            known = self.earlier(resource)
            prefix = meta.pop("generateName", f"{resource.name}-")
            meta["name"] = known["metadata"]["name"] if known else f"{prefix}{secrets.token_hex(4)}"
        self._learn_secrets(manifest)
        return manifest

    def is_defined(self, resource: Resource) -> bool:
        """Whether the cluster has a definition of the resource's kind, be it served yet or not."""
        wanted = (resource.api_version.rpartition("/")[0], resource.kind)
        try:
            definitions = self.kube.list(DEFINITION.api_version, DEFINITION.name)
        except KubeError:  # not everybody may see them
            return False
        return any((each["spec"]["group"], each["spec"]["names"]["kind"]) == wanted for each in definitions)

    def earlier(self, resource: Resource) -> Object | None:
        """The object that this resource, or one of its aliases, stood for until now."""
        for urn in (resource.urn, *resource.options.aliases):
            if urn in self.by_urn:
                return self.by_urn[urn]
        return None

    def find(self, resource: Resource, manifest: Object) -> Object | None:
        """The object in the cluster under this name. Raises NotOurs where it is somebody else's."""
        known = self.live.get(key_of(manifest))
        if known:
            return known
        meta = manifest["metadata"]
        found = self.kube.get(manifest["apiVersion"], manifest["kind"], meta["name"], meta.get("namespace"))
        if found:
            self._check_owner(resource, found)
            self._learn_secrets(found)
        return found

    def adorned(self, resource: Resource, manifest: Object, live: Object | None) -> Object:
        """The manifest to send: ignored properties as they are, and the marks that later runs go by."""
        options = resource.options
        sent = keep_ignored(manifest, live, options.ignore_changes) if live else copy.deepcopy(manifest)
        meta = sent["metadata"]
        notes = {
            "after": list(options.dependencies),
            "protect": options.protect,
            "retain": options.retain,
            "deleteTimeout": options.timeouts.get("delete"),
        }
        meta["labels"] = {**(meta.get("labels") or {}), LABEL: self.stack_label}
        meta["annotations"] = {
            **(meta.get("annotations") or {}),
            URN: resource.urn,
            OPTIONS: json.dumps({key: value for key, value in notes.items() if value}, separators=(",", ":")),
        }
        return sent

    def apply(self, manifest: Object, *, dry_run: bool = False) -> Object:
        """Send it; where the program and somebody else disagree on a field, the program wins."""
        return self.kube.apply(manifest, manager=MANAGER, force=True, dry_run=dry_run)

    def try_elsewhere(self, manifest: Object) -> Object:
        """What the server makes of a new object of this content, under a name that is free."""
        trial = copy.deepcopy(manifest)
        meta = trial["metadata"]
        name, meta["name"] = meta["name"], f"fwb-preview-{secrets.token_hex(4)}"
        if meta.get("namespace"):
            meta["namespace"] = "default"
        try:
            result = self.apply(trial, dry_run=True)
        except KubeError as error:
            text = error.message.replace(meta["name"], name)
            raise KubeError(error.status, error.reason, text) from None
        result["metadata"] = {**result["metadata"], **manifest["metadata"]}
        return result

    def needs_replacement(self, manifest: Object, error: KubeError) -> bool:
        """Whether an update was refused because of what was there before, and not for what was sent."""
        if error.status != 422:
            return False
        if IMMUTABLE.search(error.message):
            return True
        try:
            self.try_elsewhere(manifest)
        except (KubeError, UnknownKind):
            return False
        return True

    def _learn_secrets(self, obj: Object) -> None:
        if kind_of(obj).secret:
            self._redactor.add_secret_object(obj)

    def _check_owner(self, resource: Resource, found: Object) -> None:
        meta = found["metadata"]
        labels: Object = meta.get("labels") or {}
        fields: list[Object] = meta.get("managedFields") or []
        managers = {str(each.get("manager", "")) for each in fields}
        key, mine = key_of(found), labels.get(LABEL)
        if self._take_over or mine == self.stack_label or (mine is None and MANAGER in managers):
            return
        if resource.options.import_id:
            return
        if mine is not None:
            raise NotOurs(
                f"{key} belongs to the stack {mine}",
                "Give it another name, or remove it from that stack first.",
            )
        if any(manager.startswith(PULUMI_MANAGER) for manager in managers):
            raise NotOurs(
                f"{key} was made by the Pulumi CLI, whose state the embedded engine does not know",
                "Use `--engine pulumi`. To move the stack to the embedded engine, run\n"
                "  `pulumi stack rm --force --preserve-config` (objects and file stay), and then\n"
                "  `fwb up` with `--engine embedded --take-over`.",
                by_pulumi=True,
            )
        raise NotOurs(
            f"{key} exists already and is not part of this stack",
            f"It was made by: {', '.join(sorted(managers)) or 'unknown'}. Give the new one another name,"
            " delete the old one, or take it over with `--take-over`.",
        )


def urn_of(obj: Object) -> str:
    """The resource that an object stands for; empty for an object that isn't ours."""
    annotations: Object = obj["metadata"].get("annotations") or {}
    return str(annotations.get(URN, ""))


def notes_of(obj: Object) -> Object:
    """The options that were in force when the object was last written."""
    annotations: Object = obj["metadata"].get("annotations") or {}
    return json.loads(annotations.get(OPTIONS) or "{}")


def refusal(obj: Object, *, protect: bool, retain: bool) -> tuple[str, str]:
    """Why an object must not be deleted to be made anew, and what to do; empty texts where it may be."""
    key = key_of(obj)
    if protect or notes_of(obj).get("protect"):
        return (f"{key} is protected", "Set `protect=False` on it, run `fwb up`, and then make this change.")
    kind = kind_of(obj)
    if value_at(obj, kind.claims_policy) == "Delete":
        return (
            f"{key} takes its volume claims with it when it is deleted",
            "Set persistentVolumeClaimRetentionPolicy.whenDeleted to Retain, run `fwb up`, and then change "
            "this.",
        )
    if kind.holds_data or retain or notes_of(obj).get("retain"):
        return (
            f"making {key} anew would delete what it holds",
            "Take the change back. If it is meant, save the data, run"
            f" `{key.kubectl('delete')}`, and then `fwb up`.",
        )
    return ("", "")
