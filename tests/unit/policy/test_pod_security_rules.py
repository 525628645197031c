"""Pod Security restricted, field by field, through every kind that is or makes a pod."""

from __future__ import annotations

from typing import Any

import pytest
from registrations import RESTRICTED_POD, TEMPLATE_KINDS, changed, violations, with_pod

from policy.pod_security import RULES

UNKNOWN = "04da6b54-80e4-46f7-96ec-b56ff0331ba9"
CONTAINER = ("containers", 0)
SECURITY = (*CONTAINER, "securityContext")
# rule, where in the pod, what, and the path that is named
REFUSED: list[tuple[str, tuple[Any, ...], Any, str]] = [
    ("privilege-escalation", (*SECURITY, "allowPrivilegeEscalation"), True, ""),
    ("privilege-escalation", (*SECURITY, "allowPrivilegeEscalation"), None, ""),
    ("apparmor", (*SECURITY, "appArmorProfile"), {"type": "Unconfined"}, ".type"),
    ("apparmor", ("securityContext", "appArmorProfile"), {"type": "Unconfined"}, ".type"),
    ("capabilities", (*SECURITY, "capabilities"), None, ".drop"),
    ("capabilities", (*SECURITY, "capabilities", "drop"), ["KILL"], ""),
    ("capabilities", (*SECURITY, "capabilities", "drop"), ["all"], ""),
    ("capabilities", (*SECURITY, "capabilities", "add"), ["NET_BIND_SERVICE", "CHOWN"], ""),
    ("host-namespaces", ("hostNetwork",), True, ""),
    ("host-namespaces", ("hostPID",), True, ""),
    ("host-namespaces", ("hostIPC",), True, ""),
    ("host-ports", (*CONTAINER, "ports"), [{"containerPort": 80, "hostPort": 80}], "[0].hostPort"),
    ("probe-hosts", (*CONTAINER, "livenessProbe"), {"httpGet": {"host": "example.org"}}, ".httpGet.host"),
    ("probe-hosts", (*CONTAINER, "startupProbe"), {"tcpSocket": {"host": "10.0.0.1"}}, ".tcpSocket.host"),
    (
        "probe-hosts",
        (*CONTAINER, "lifecycle"),
        {"preStop": {"httpGet": {"host": "example.org"}}},
        ".preStop.httpGet.host",
    ),
    ("privileged", (*SECURITY, "privileged"), True, ""),
    ("proc-mount", (*SECURITY, "procMount"), "Unmasked", ""),
    ("volume-types", ("volumes",), [{"name": "node", "hostPath": {"path": "/"}}], "[0].hostPath"),
    ("volume-types", ("volumes",), [{"name": "far", "nfs": {"server": "a", "path": "/"}}], "[0].nfs"),
    ("non-root", ("securityContext", "runAsNonRoot"), False, ""),
    ("non-root", (*SECURITY, "runAsNonRoot"), False, ""),
    ("root-user", ("securityContext", "runAsUser"), 0, ""),
    ("root-user", (*SECURITY, "runAsUser"), 0, ""),
    ("selinux", (*SECURITY, "seLinuxOptions"), {"type": "spc_t"}, ".type"),
    ("selinux", ("securityContext", "seLinuxOptions"), {"user": "root"}, ".user"),
    ("selinux", (*SECURITY, "seLinuxOptions"), {"role": "sysadm_r"}, ".role"),
    ("seccomp", (*SECURITY, "seccompProfile"), {"type": "Unconfined"}, ".type"),
    ("seccomp", ("securityContext", "seccompProfile"), {"type": "Unconfined"}, ".type"),
    (
        "sysctls",
        ("securityContext", "sysctls"),
        [{"name": "kernel.msgmax", "value": "1"}],
        "[0].name",
    ),
    ("host-process", (*SECURITY, "windowsOptions"), {"hostProcess": True}, ".hostProcess"),
    ("host-process", ("securityContext", "windowsOptions"), {"hostProcess": True}, ".hostProcess"),
]
PATHS = {
    "Pod": "spec",
    "PodTemplate": "template.spec",
    "CronJob": "spec.jobTemplate.spec.template.spec",
}


def dotted(path: tuple[Any, ...]) -> str:
    return "".join(f"[{step}]" if isinstance(step, int) else f".{step}" for step in path)


@pytest.mark.parametrize("kind", TEMPLATE_KINDS)
@pytest.mark.parametrize(("rule", "path", "value", "below"), REFUSED)
def test_each_field_is_refused_in_each_kind(
    kind: str, rule: str, path: tuple[Any, ...], value: Any, below: str
) -> None:
    pod = changed(RESTRICTED_POD, path, value)
    found = violations(f"pod-security-{rule}", with_pod(kind, pod))
    where = PATHS.get(kind, "spec.template.spec")
    assert ("web", f"{where}{dotted(path)}{below}") in found


@pytest.mark.parametrize("kind", TEMPLATE_KINDS)
def test_a_restricted_pod_passes_all_of_them(kind: str) -> None:
    for rule in RULES:
        assert violations(rule.name, with_pod(kind, RESTRICTED_POD)) == []


@pytest.mark.parametrize("group", ["initContainers", "ephemeralContainers"])
@pytest.mark.parametrize(
    ("rule", "path", "value", "below"), [case for case in REFUSED if case[1][0] == "containers"]
)
def test_other_containers_are_looked_at_as_well(
    group: str, rule: str, path: tuple[Any, ...], value: Any, below: str
) -> None:
    bad = changed(RESTRICTED_POD, path, value)["containers"]
    pod = {**RESTRICTED_POD, group: bad}
    found = violations(f"pod-security-{rule}", with_pod("Deployment", pod))
    assert found == [("web", f"spec.template.spec.{group}{dotted(path[1:])}{below}")]


@pytest.mark.parametrize(
    ("rule", "path", "value"),
    [
        ("capabilities", (*SECURITY, "capabilities", "add"), ["NET_BIND_SERVICE"]),
        ("sysctls", ("securityContext", "sysctls"), [{"name": "net.ipv4.tcp_rmem", "value": "1 2 3"}]),
        ("selinux", (*SECURITY, "seLinuxOptions"), {"type": "container_engine_t", "level": "s0:c1"}),
        ("seccomp", (*SECURITY, "seccompProfile"), {"type": "Localhost", "localhostProfile": "a.json"}),
        ("volume-types", ("volumes",), [{"name": "empty"}]),  # the API server makes it an emptyDir
        ("volume-types", ("volumes",), [{"name": "image", "image": {"reference": "a:1"}}]),
        ("host-ports", (*CONTAINER, "ports"), [{"containerPort": 80, "hostPort": 0}]),
        ("proc-mount", (*SECURITY, "procMount"), "Default"),
        ("root-user", ("securityContext", "runAsUser"), 1000.0),
        ("non-root", (*SECURITY, "runAsNonRoot"), UNKNOWN),
        ("privilege-escalation", (*SECURITY, "allowPrivilegeEscalation"), UNKNOWN),
        ("capabilities", (*SECURITY, "capabilities"), UNKNOWN),
        ("seccomp", ("securityContext",), UNKNOWN),
        ("host-namespaces", ("hostNetwork",), False),
    ],
)
def test_what_the_standard_allows_and_what_is_not_known_yet_passes(
    rule: str, path: tuple[Any, ...], value: Any
) -> None:
    assert violations(f"pod-security-{rule}", with_pod("Pod", changed(RESTRICTED_POD, path, value))) == []


def test_a_pod_without_security_context_is_told_of_each_container() -> None:
    bare = {"containers": [{"name": "a"}, {"name": "b"}]}
    for rule in ("non-root", "seccomp"):
        assert [
            path.split(".")[1] for _, path in violations(f"pod-security-{rule}", with_pod("Pod", bare))
        ] == [
            "containers[0]",
            "containers[1]",
        ]


@pytest.mark.parametrize("rule", ["privilege-escalation", "capabilities", "seccomp"])
def test_windows_pods_are_exempt_from_what_windows_lacks(rule: str) -> None:
    pod = {"containers": [{"name": "a"}]}
    assert violations(f"pod-security-{rule}", with_pod("Pod", pod))
    assert violations(f"pod-security-{rule}", with_pod("Pod", {**pod, "os": {"name": "windows"}})) == []


def test_a_user_namespace_relaxes_users_but_not_the_proc_mount() -> None:
    pod = {
        "hostUsers": False,
        "containers": [{"name": "a", "securityContext": {"runAsUser": 0, "procMount": "Unmasked"}}],
    }
    assert violations("pod-security-root-user", with_pod("Pod", pod)) == []
    assert violations("pod-security-non-root", with_pod("Pod", pod)) == []
    assert violations("pod-security-proc-mount", with_pod("Pod", pod))


def test_containers_that_opt_out_are_found_though_the_pod_opts_in() -> None:
    pod = changed(RESTRICTED_POD, (*SECURITY, "runAsNonRoot"), False)
    assert violations("pod-security-non-root", with_pod("Pod", pod)) == [
        ("web", "spec.containers[0].securityContext.runAsNonRoot")
    ]


def test_the_old_annotations_of_apparmor_are_read() -> None:
    key = "container.apparmor.security.beta.kubernetes.io/web"
    for value, fine in (
        ("unconfined", False),
        ("runtime/default", True),
        ("localhost/own", True),
        ("", True),
    ):
        found = violations(
            "pod-security-apparmor",
            with_pod("Deployment", RESTRICTED_POD, meta={"annotations": {key: value}}),
        )
        assert (found == []) is fine
