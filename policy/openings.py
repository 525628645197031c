"""NetworkPolicies: nothing is open but what was opened on purpose, and each opening says what for."""

from __future__ import annotations

from collections.abc import Iterable

from facts.policy import REASON
from policy.plain import at, is_unknown, listed, mapping, text
from policy.pods import Pod, pods_in, selects
from policy.resources import Resource, Stack
from policy.rule import Context, Finding, Rule

_POLICY = "networking.k8s.io/NetworkPolicy"
_DIRECTIONS = ("Ingress", "Egress")


def _types(policy: Resource) -> list[str]:
    """The directions that a policy is about."""
    given = listed(policy.props, "spec", "policyTypes")
    return given or ["Ingress", *(["Egress"] if listed(policy.props, "spec", "egress") else [])]


def _selected(policy: Resource, pod: Pod) -> bool:
    same = policy.namespace == pod.resource.namespace
    return same and selects(mapping(policy.props, "spec", "podSelector"), pod.labels)


def _default_deny(stack: Stack, _: Context) -> Iterable[Finding]:
    policies = [each for each in stack if each.is_a(_POLICY)]
    for pod in pods_in(stack):
        selecting = [each for each in policies if _selected(each, pod)]
        for direction in _DIRECTIONS:
            denying = [
                each
                for each in selecting
                if direction in _types(each) and not at(each.props, "spec", direction.lower())
            ]
            if not denying and not is_unknown(at(pod.body, "metadata", "labels")):
                yield Finding(
                    (*pod.path, "metadata", "labels"),
                    f"are selected by no NetworkPolicy that denies {direction.lower()} by default",
                    f"Declare one in the namespace, with an empty podSelector, policyTypes [{direction}]"
                    " and no rules.",
                    pod.resource,
                )


def _reason(resource: Resource, _: Context) -> Iterable[Finding]:
    if not resource.is_a(_POLICY):
        return
    opened = [name for name in ("ingress", "egress") if listed(resource.props, "spec", name)]
    reason = resource.annotations.get(REASON)
    if opened and not is_unknown(reason) and len(text(reason).split()) < 2:
        yield Finding(
            ("metadata", "annotations", REASON),
            "is not set" if not reason else "gives no reason",
            f"Write in a few words who needs this {' and '.join(opened)}, and what for.",
        )


def _everyone(resource: Resource, _: Context) -> Iterable[Finding]:
    if not resource.is_a(_POLICY):
        return
    for index, rule in enumerate(listed(resource.props, "spec", "ingress")):
        path = ("spec", "ingress", index)
        if not at(rule, "from"):
            yield Finding((*path, "from"), "is not set, which lets everyone in", "Name who may come in.")
        for place, peer in enumerate(listed(rule, "from")):
            if at(peer, "namespaceSelector") == {} and not mapping(peer, "podSelector"):
                yield Finding(
                    (*path, "from", place), "lets in every pod of the cluster", "Name the pods by labels."
                )
            if text(at(peer, "ipBlock", "cidr")).endswith("/0"):
                yield Finding(
                    (*path, "from", place, "ipBlock", "cidr"), "is every address", "Name a smaller block."
                )
    for index, rule in enumerate(listed(resource.props, "spec", "egress")):
        if not at(rule, "to") and not at(rule, "ports"):
            yield Finding(
                ("spec", "egress", index), "lets out to every port of every address", "Name `to` or `ports`."
            )


_FAMILY = "Network"
RULES = (
    Rule(
        "default-deny",
        _FAMILY,
        "Without such a policy, every pod can reach this one.",
        check_stack=_default_deny,
    ),
    Rule("opening-reason", _FAMILY, "Nobody dares to close an opening if its reason is unknown.", _reason),
    Rule("opening-to-all", _FAMILY, "An opening must say who may use it.", _everyone),
)
