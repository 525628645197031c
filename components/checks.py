"""The smoke checks: a Job that runs again whenever something that it tests has changed.

The Job's name ends in a hash of all that it depends on. A change makes a new Job, and a failing check fails
the deployment; no change, no Job. `fwb check` runs the same pod on demand, from the PodTemplate beside it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pulumi

from components import network, pods, rights, schema
from components.described import Checked, Described, Description, Image, Right
from components.kube import AGAIN, Object, config_map, fingerprint, labels, metadata
from facts import checks as facts
from facts.checks import NAME
from facts.pods import CONFIG_PATH

if TYPE_CHECKING:
    from components import kinds

_LABELS = labels(NAME, "checks")
_TMP = "/tmp"  # noqa: S108 - a volume of the pod's own
_MINUTES = 10
"""How long the Job of the checks may run, in minutes."""
_ROOM = 16 * 2**20
"""Bytes of the writable folder /tmp."""
_LOOK = (Right("", "pods", ("get", "list")), Right("", "pods/log", ("get",)))
"""Any check may look at pods and their logs, to say why something doesn't answer."""


@dataclass
class ChecksArgs:
    """`parts`: what the stack consists of. Their checks run when all of them are up."""

    namespace: pulumi.Input[str]
    settings: schema.Settings
    image: str
    parts: Sequence[Described]
    run: bool = True


class Checks(Described):
    """The checks' Job, and the narrow rights that they run with."""

    def __init__(self, name: str, args: ChecksArgs, opts: pulumi.ResourceOptions | None = None) -> None:
        super().__init__("filewallball:index:Checks", name, None, opts)
        child = pulumi.ResourceOptions(parent=self)
        descriptions = [part.description for part in args.parts]
        checked = [each.checked for each in descriptions if each.checked]
        config = _config(args.settings, checked)
        template = _template(args.image, checked, fingerprint(config))
        rules = _rules(checked, disposable=args.settings.disposable)
        suffix = fingerprint(template, rules, *(each.fingerprint for each in descriptions))
        self.description = Description(suffix, images=(Image("toolkit.image", args.image),))
        config_object = Object(f"{name}-config", config_map(NAME, args.namespace, _LABELS, config), child)
        annotations = {key: value for each in checked for key, value in each.annotations.items()}
        granted = [
            Object(f"{name}-{part}", manifest, child)
            for part, manifest in _rights(args, rules, annotations).items()
        ]
        Object(
            f"{name}-template",
            _pod_template(args.namespace, template),
            child,
        )
        api = Object(
            f"{name}-kubernetes-clients",
            network.outward("kubernetes", args.namespace, "checks", args.settings.cluster.api_server_ports),
            child,
        )
        if args.run:
            minutes = _MINUTES + sum(each.minutes for each in checked)
            needed = pulumi.ResourceOptions(
                depends_on=[*args.parts, config_object, *granted, api],
                custom_timeouts=pulumi.CustomTimeouts(create=f"{minutes + 2}m", delete="2m"),
            )
            options = pulumi.ResourceOptions.merge(child, needed)
            job = _job(f"{NAME}-{suffix}", args.namespace, template, minutes)
            Object(f"{name}-{suffix}", job, options)
        self.register_outputs({})


def _config(stack: schema.Settings, checked: Sequence[Checked]) -> dict[str, str]:
    """The files that the checks read: addresses, users, limits, and what the servers are configured with."""
    sections = [each.section for each in checked]
    files = {facts.FILE: facts.document(stack.namespace, sections, disposable=stack.disposable)}
    for each in checked:
        files |= each.files
    return files


def _rules(checked: Sequence[Checked], *, disposable: bool) -> list[kinds.PolicyRule]:
    """What the checks may do in the namespace: the rights that they ask for, each kind of right once."""
    wanted = [*_LOOK, *(right for each in checked for right in each.rights)]
    if disposable:
        wanted += [right for each in checked for right in each.harmful]
    merged: dict[tuple[str, str, tuple[str, ...]], list[tuple[str, ...]]] = {}
    for right in wanted:
        merged.setdefault((right.group, right.resource, right.verbs), []).append(right.names)
    return [_rule(*key, _names(names)) for key, names in merged.items()]


def _names(asked: Iterable[tuple[str, ...]]) -> list[str]:
    """The names that all rights of one kind are about; none where one of them is about any."""
    every = list(asked)
    return list(dict.fromkeys(name for names in every for name in names)) if all(every) else []


def _rule(group: str, resource: str, verbs: Sequence[str], names: list[str]) -> kinds.PolicyRule:
    rule: kinds.PolicyRule = {"apiGroups": [group], "resources": [resource], "verbs": list(verbs)}
    if names:
        rule["resourceNames"] = names
    return rule


def _rights(
    args: ChecksArgs, rules: list[kinds.PolicyRule], annotations: Mapping[str, str]
) -> dict[str, kinds.Manifest]:
    annotations = {**annotations, **args.settings.checks.service_account_annotations}
    return {
        "account": rights.service_account(NAME, args.namespace, _LABELS, annotations),
        "role": rights.role(NAME, args.namespace, _LABELS, rules),
        "binding": rights.binding(NAME, args.namespace, _LABELS, [NAME]),
    }


_RESOURCES = schema.Resources(cpu="100m", memory="128Mi", memory_limit="256Mi")
"""There is no CPU limit: throttling would look like latency of the servers."""


def _template(image: str, checked: Sequence[Checked], config: str) -> kinds.PodTemplateSpec:
    mounts = {"config": CONFIG_PATH}
    volumes = {"config": pods.config_volume("config", NAME)}
    room = max([_ROOM, *(each.room for each in checked)])
    scratch = pods.scratch_volume("tmp", f"{room // 2**20}Mi")
    for each in checked:
        if each.room:
            mounts["tmp"], volumes["tmp"] = _TMP, scratch
        for files in each.secrets:
            mounts[files.volume] = files.path
            volumes[files.volume] = files.source()
    mounts.setdefault("tmp", _TMP)
    volumes.setdefault("tmp", scratch)
    container = pods.container(
        "checks",
        image,
        _RESOURCES,
        ["python3", "-m", "filewallball.checks", "run"],
        mounts,
        env={"HOME": _TMP},
        writable=["tmp"],
        args=["--json-lines"],
    )
    servers = [server for each in checked for server in each.access]
    return pods.template(
        _LABELS | network.access(*servers, "kubernetes"),
        [container],
        list(volumes.values()),
        annotations={"filewallball.io/config": config},
        service_account=NAME,
        token=True,
        grace_seconds=15,
        restartPolicy="Never",
    )


def _pod_template(namespace: pulumi.Input[str], template: kinds.PodTemplateSpec) -> kinds.PodTemplate:
    return {
        "apiVersion": "v1",
        "kind": "PodTemplate",
        "metadata": metadata(NAME, namespace, _LABELS),
        "template": template,
    }


def _job(name: str, namespace: pulumi.Input[str], template: kinds.PodTemplateSpec, minutes: int) -> kinds.Job:
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": metadata(name, namespace, _LABELS, AGAIN),
        "spec": {"backoffLimit": 0, "activeDeadlineSeconds": minutes * 60, "template": template},
    }
