"""ServiceAccounts, roles and bindings: no rights that nobody needs, and none that make more of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from policy.plain import Path, at, is_unknown, listed, mapping, text
from policy.pods import Pod, pods_in
from policy.resources import Resource, Stack
from policy.rule import Context, Finding, Rule

_RBAC = "rbac.authorization.k8s.io"
_ROLES = (f"{_RBAC}/Role", f"{_RBAC}/ClusterRole")
_BINDINGS = (f"{_RBAC}/RoleBinding", f"{_RBAC}/ClusterRoleBinding")
_READING = {"get", "list", "watch"}
_WRITING = {"create", "update", "patch"}
# resource → the verbs that reach further than they seem, and why
_REACHING: dict[tuple[str, str], tuple[set[str], str]] = {
    ("", "pods/exec"): ({"create", "get"}, "runs commands with the rights of any pod"),
    ("", "pods/attach"): ({"create", "get"}, "takes over the terminal of any pod"),
    ("", "pods/portforward"): ({"create", "get"}, "goes past every NetworkPolicy"),
    ("", "pods/ephemeralcontainers"): ({"update", "patch"}, "runs commands with the rights of any pod"),
    ("", "nodes/proxy"): (_READING | _WRITING | {"delete"}, "runs commands in every pod of a node"),
    ("", "serviceaccounts/token"): ({"create"}, "hands out the rights of any account"),
    ("", "persistentvolumes"): (_WRITING, "reaches the file system of any node"),
    (_RBAC, "roles"): (_WRITING, "changes rights"),
    (_RBAC, "clusterroles"): (_WRITING, "changes rights"),
    (_RBAC, "rolebindings"): (_WRITING, "gives rights away"),
    (_RBAC, "clusterrolebindings"): (_WRITING, "gives rights away"),
    ("certificates.k8s.io", "certificatesigningrequests/approval"): ({"update", "patch"}, "makes new users"),
    ("admissionregistration.k8s.io", "mutatingwebhookconfigurations"): (_WRITING, "changes every object"),
    ("admissionregistration.k8s.io", "validatingwebhookconfigurations"): (_WRITING, "sees every object"),
}


def _rules(resource: Resource) -> Iterator[tuple[Path, dict[str, Any]]]:
    if resource.is_a(*_ROLES):
        for index, rule in enumerate(listed(resource.props, "rules")):
            yield ("rules", index), mapping(rule)


def _words(rule: dict[str, Any], name: str) -> set[str]:
    return {text(each) for each in listed(rule, name)}


def _wildcards(resource: Resource, _: Context) -> Iterable[Finding]:
    for path, rule in _rules(resource):
        for name in ("apiGroups", "resources", "verbs", "nonResourceURLs"):
            for index, value in enumerate(listed(rule, name)):
                if "*" in text(value):
                    yield Finding((*path, name, index), f"is {value}", "Name each one that is needed.")


def _escalation(resource: Resource, _: Context) -> Iterable[Finding]:
    for path, rule in _rules(resource):
        verbs, resources = _words(rule, "verbs"), _words(rule, "resources")
        for verb in sorted(verbs & {"escalate", "bind", "impersonate"}):
            yield Finding(
                (*path, "verbs"), f"holds {verb}, which takes the rights of others", f"Leave {verb} out."
            )
        for (group, name), (reaching, why) in _REACHING.items():
            held = sorted(verbs & reaching)
            if name in resources and group in listed(rule, "apiGroups") and held:
                yield Finding(
                    (*path, "resources"),
                    f"holds {name} with {', '.join(held)}: that {why}",
                    f"Leave {name} out.",
                )


def _secrets(resource: Resource, _: Context) -> Iterable[Finding]:
    for path, rule in _rules(resource):
        if "secrets" not in listed(rule, "resources") or "" not in listed(rule, "apiGroups"):
            continue
        # whoever lists sees the values; names don't hold a list
        listing = sorted({"list", "watch"} & _words(rule, "verbs"))
        if listing:
            yield Finding(
                (*path, "verbs"), f"lets all secrets be read, by {', '.join(listing)}", "Leave it out."
            )
        elif "get" in listed(rule, "verbs") and not rule.get("resourceNames"):
            yield Finding(
                (*path, "resourceNames"), "is not set: every secret can be read", "Name the ones that are."
            )


def _bindings(resource: Resource, _: Context) -> Iterable[Finding]:
    if not resource.is_a(*_BINDINGS):
        return
    role = text(at(resource.props, "roleRef", "name"))
    if at(resource.props, "roleRef", "kind") == "ClusterRole" and role in ("cluster-admin", "admin", "edit"):
        yield Finding(("roleRef", "name"), f"is {role}", "Write a Role with the rights that are needed.")
    for index, subject in enumerate(listed(resource.props, "subjects")):
        name = text(at(subject, "name"))
        everyone = name in ("system:authenticated", "system:unauthenticated", "system:serviceaccounts")
        if everyone or name == "system:anonymous" or name.startswith("system:serviceaccounts:"):
            yield Finding(("subjects", index, "name"), f"is {name}: many at once", "Name one account.")
        elif name == "system:masters":
            yield Finding(("subjects", index, "name"), "is system:masters", "Name one account.")
        elif at(subject, "kind") == "ServiceAccount" and name == "default":
            yield Finding(
                ("subjects", index, "name"),
                "is default, the account of every pod that names none",
                "Make an account for the pod that needs the rights.",
            )


def _account_token(resource: Resource, _: Context) -> Iterable[Finding]:
    if resource.is_a("ServiceAccount"):
        value = resource.props.get("automountServiceAccountToken")
        if value is not False and not is_unknown(value):
            found = "is true" if value else "is not set, which means true"
            yield Finding(
                ("automountServiceAccountToken",), found, "Write false; a pod that needs it says so itself."
            )


def _unused_token(stack: Stack, _: Context) -> Iterable[Finding]:
    accounts = {(each.namespace, each.object_name): each for each in stack if each.is_a("ServiceAccount")}
    for pod in pods_in(stack):
        path, owner = (*pod.spec_path, "automountServiceAccountToken"), pod.resource
        value = pod.spec.get("automountServiceAccountToken")
        account = accounts.get((owner.namespace, pod.account))
        if value is None and account:
            value = account.props.get("automountServiceAccountToken")
        if value is False or is_unknown(value) or any(_gives(each, pod) for each in stack):
            continue
        found = "is true" if value else "is not set, which means true"
        yield Finding(path, f"{found}, and no binding gives {pod.account} any rights", "Write false.", owner)


def _gives(binding: Resource, pod: Pod) -> bool:
    """Whether a binding gives rights to the pod's account."""
    if not binding.is_a(*_BINDINGS):
        return False
    return any(
        at(subject, "kind") == "ServiceAccount"
        and at(subject, "name") == pod.account
        and (text(at(subject, "namespace")) or pod.resource.namespace) == pod.resource.namespace
        for subject in listed(binding.props, "subjects")
    )


_TOKENS, _RIGHTS = "Service-account tokens", "Rights (RBAC)"
RULES = (
    Rule(
        "account-token", _TOKENS, "Only pods that use the Kubernetes API should get a token.", _account_token
    ),
    Rule(
        "unused-token",
        _TOKENS,
        "A pod without rights needs no token, and a token can be stolen.",
        check_stack=_unused_token,
    ),
    Rule("rbac-wildcard", _RIGHTS, "A wildcard also allows what the cluster will have later.", _wildcards),
    Rule("rbac-escalation", _RIGHTS, "With these rights, an account can get all other rights.", _escalation),
    Rule("rbac-secrets", _RIGHTS, "Who can list secrets can read all their values.", _secrets),
    Rule("rbac-binding", _RIGHTS, "Rights belong to the one account that needs them.", _bindings),
)
