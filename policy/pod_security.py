"""Pod Security *restricted*, as Kubernetes 1.36 holds pods to it: the checks of what the containers may do.

From k8s.io/pod-security-admission 0.36, one rule for each of its checks. Of the 19 checks, four of the level
*baseline* are left out, as they are there: a stricter check of *restricted* stands in the place of each
(capabilities, host path volumes, proc mount, seccomp profile). tests/e2e/policy compares with a real server.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from typing import Any

from policy.plain import UNKNOWN, Path, at, is_unknown, listed, mapping, text
from policy.pods import Pod, pod_of
from policy.resources import Resource
from policy.rule import Context, Finding, Rule

_SYSCTLS = {
    "kernel.shm_rmid_forced",
    "net.ipv4.ip_local_port_range",
    "net.ipv4.ip_local_reserved_ports",
    "net.ipv4.ip_unprivileged_port_start",
    "net.ipv4.ping_group_range",
    "net.ipv4.tcp_fin_timeout",
    "net.ipv4.tcp_keepalive_intvl",
    "net.ipv4.tcp_keepalive_probes",
    "net.ipv4.tcp_keepalive_time",
    "net.ipv4.tcp_rmem",
    "net.ipv4.tcp_syncookies",
    "net.ipv4.tcp_wmem",
}
_VOLUMES = {
    "configMap", "csi", "downwardAPI", "emptyDir", "ephemeral", "image", "persistentVolumeClaim", "projected",
    "secret",
}  # fmt: skip
_SELINUX_TYPES = {"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}
_PROFILES = ("RuntimeDefault", "Localhost")
_APPARMOR_ANNOTATION = "container.apparmor.security.beta.kubernetes.io/"

PodCheck = Callable[[Pod], Iterable[Finding]]


def _windows(pod: Pod) -> bool:
    """Windows has none of these; the API server refuses a Windows pod that sets them."""
    return at(pod.spec, "os", "name") in ("windows", UNKNOWN)


def _own_users(pod: Pod) -> bool:
    """A pod with a user namespace of its own: root in it is nobody outside."""
    return pod.spec.get("hostUsers") in (False, UNKNOWN)


def _security(pod: Pod, *path: str) -> Iterator[tuple[Path, Any]]:
    """A field of every securityContext, the pod's first: its path and its value, None where it isn't set."""
    yield (*pod.spec_path, "securityContext", *path), at(pod.spec, "securityContext", *path)
    yield from _containers_security(pod, *path)


def _containers_security(pod: Pod, *path: str) -> Iterator[tuple[Path, Any]]:
    for each in pod.containers:
        yield (*each.path, "securityContext", *path), at(each.body, "securityContext", *path)


def _no_escalation(pod: Pod) -> Iterator[Finding]:
    if _windows(pod):
        return
    for path, value in _containers_security(pod, "allowPrivilegeEscalation"):
        if value is not False and not is_unknown(value):
            yield Finding(path, "is true" if value else "is not set", "Write false.")


def _apparmor(pod: Pod) -> Iterator[Finding]:
    for path, value in _security(pod, "appArmorProfile"):
        kind = at(value, "type")
        if value is not None and kind not in (*_PROFILES, UNKNOWN):
            yield Finding((*path, "type"), f"is {shown(kind)}", "Write RuntimeDefault, or leave it out.")
    for key, value in pod.annotations.items():
        if key.startswith(_APPARMOR_ANNOTATION) and not is_unknown(value):
            profile = text(value)
            if profile not in ("", "runtime/default") and not profile.startswith("localhost/"):
                yield Finding(
                    (*pod.path, "metadata", "annotations", key),
                    f"is {shown(profile)}",
                    "Write runtime/default, or leave it out.",
                )


def _capabilities(pod: Pod) -> Iterator[Finding]:
    if _windows(pod):
        return
    for path, value in _containers_security(pod, "capabilities"):
        if is_unknown(value):
            continue
        dropped = at(value, "drop")
        if not is_unknown(dropped) and not {"ALL", UNKNOWN} & set(map(str, listed(value, "drop"))):
            yield Finding((*path, "drop"), "doesn't name ALL", 'Write ["ALL"].')
        added = [each for each in listed(value, "add") if each not in ("NET_BIND_SERVICE", UNKNOWN)]
        if added:
            yield Finding(
                (*path, "add"),
                f"names {', '.join(map(str, added))}",
                "Leave it out; NET_BIND_SERVICE alone may be added.",
            )


def _host_namespaces(pod: Pod) -> Iterator[Finding]:
    for name in ("hostNetwork", "hostPID", "hostIPC"):
        if pod.spec.get(name) is True:
            yield Finding((*pod.spec_path, name), "is true", "Leave it out.")


def _host_ports(pod: Pod) -> Iterator[Finding]:
    # In a pod of the host's network, the API server gives every port the same number there. It does so for a
    # pod alone, not for a template.
    taken = pod.resource.is_a("Pod") and pod.spec.get("hostNetwork") is True
    for container in pod.containers:
        for index, port in enumerate(listed(container.body, "ports")):
            number = at(port, "hostPort") or (at(port, "containerPort") if taken else 0)
            if number and not is_unknown(number):
                yield Finding(
                    (*container.path, "ports", index, "hostPort"),
                    f"is {number}",
                    "Leave it out; a Service makes the port known.",
                )


def _probe_hosts(pod: Pod) -> Iterator[Finding]:
    handlers = [("livenessProbe",), ("readinessProbe",), ("startupProbe",), ("lifecycle", "postStart"),
                ("lifecycle", "preStop")]  # fmt: skip
    for container in pod.containers:
        for handler in handlers:
            for way in ("httpGet", "tcpSocket"):
                path = (*handler, way, "host")
                if text(at(container.body, *path)):
                    yield Finding(
                        (*container.path, *path),
                        "names a host",
                        "Leave it out, so that the pod itself is asked.",
                    )


def _privileged(pod: Pod) -> Iterator[Finding]:
    for path, value in _containers_security(pod, "privileged"):
        if value is True:
            yield Finding(path, "is true", "Leave it out.")


def _proc_mount(pod: Pod) -> Iterator[Finding]:
    for path, value in _containers_security(pod, "procMount"):
        if value not in (None, "Default", UNKNOWN):
            yield Finding(path, f"is {shown(value)}", "Write Default, or leave it out.")


def _volume_types(pod: Pod) -> Iterator[Finding]:
    for path, volume in pod.volumes:
        sources = {key for key, value in volume.items() if key != "name" and value is not None}
        if sources and not sources & _VOLUMES:
            kind = sorted(sources)[0]
            yield Finding(
                (*path, kind),
                "is of a type that reaches past the pod",
                "Claim a volume with persistentVolumeClaim, or take one of the types "
                f"{', '.join(sorted(_VOLUMES - {'persistentVolumeClaim'}))}.",
            )


def _non_root(pod: Pod) -> Iterator[Finding]:
    if _own_users(pod):
        return
    (pod_path, pod_value), *containers = _security(pod, "runAsNonRoot")
    if pod_value is False:
        yield Finding(pod_path, "is false", "Write true.")
    for path, value in containers:
        if value is False:
            yield Finding(path, "is false", "Write true, or leave it out where the pod says true.")
        elif value is None and pod_value is None:
            yield Finding(path, "is set neither here nor for the pod", "Write true.")
        elif value is None and pod_value is False:
            yield Finding(path, "is not set, and the pod says false", "Write true.")


def _root_user(pod: Pod) -> Iterator[Finding]:
    if _own_users(pod):
        return
    for path, value in _security(pod, "runAsUser"):
        if value == 0:
            yield Finding(path, "is 0, which is root", "Write the number of another user.")


def _selinux(pod: Pod) -> Iterator[Finding]:
    for path, value in _security(pod, "seLinuxOptions"):
        options = mapping(value)
        kind = str(options.get("type") or "")
        if kind not in _SELINUX_TYPES | {UNKNOWN}:
            allowed = ", ".join(sorted(_SELINUX_TYPES - {""}))
            yield Finding((*path, "type"), f"is {shown(kind)}", f"Leave it out, or write one of {allowed}.")
        for name in ("user", "role"):
            if text(options.get(name)):
                yield Finding((*path, name), f"is {shown(options[name])}", "Leave it out.")


def _seccomp(pod: Pod) -> Iterator[Finding]:
    if _windows(pod):
        return
    (pod_path, pod_value), *containers = _security(pod, "seccompProfile")
    fine = (*_PROFILES, UNKNOWN)
    for path, value in ((pod_path, pod_value), *containers):
        kind = at(value, "type")
        if value is not None and kind not in fine:
            yield Finding((*path, "type"), f"is {shown(kind)}", "Write RuntimeDefault.")
    if at(pod_value, "type") not in fine:
        for path, value in containers:
            if value is None:
                yield Finding(
                    (*path, "type"), "is set neither here nor rightly for the pod", "Write RuntimeDefault."
                )


def _sysctls(pod: Pod) -> Iterator[Finding]:
    for index, each in enumerate(listed(pod.spec, "securityContext", "sysctls")):
        name = str(at(each, "name") or "")
        if name not in _SYSCTLS | {UNKNOWN}:
            yield Finding(
                (*pod.spec_path, "securityContext", "sysctls", index, "name"),
                f"is {shown(name)}, which isn't known to be safe",
                f"Leave it out, or name one of {', '.join(sorted(_SYSCTLS))}.",
            )


def _host_process(pod: Pod) -> Iterator[Finding]:
    for path, value in _security(pod, "windowsOptions", "hostProcess"):
        if value is True:
            yield Finding(path, "is true", "Leave it out.")


def shown(value: Any) -> str:
    """A short value of a field that never holds a secret."""
    word = str(value) if value not in (None, "") else "empty"
    return word if len(word) <= 60 else f"{word[:59]}…"


def _rule(name: str, reason: str, check: PodCheck) -> Rule:
    def on_resource(resource: Resource, _: Context) -> Iterable[Finding]:
        pod = pod_of(resource)
        return check(pod) if pod else ()

    return Rule(f"pod-security-{name}", "Pod Security restricted", reason, on_resource)


RULES = (
    _rule("privilege-escalation", "A process must not get more rights than it started with.", _no_escalation),
    _rule("apparmor", "The AppArmor profile limits what a container can do.", _apparmor),
    _rule(
        "capabilities", "No container needs root's capabilities, except for ports below 1024.", _capabilities
    ),
    _rule(
        "host-namespaces", "A pod must not see the network or the processes of its node.", _host_namespaces
    ),
    _rule("host-ports", "A port of the node is open to everyone who can reach the node.", _host_ports),
    _rule("probe-hosts", "A probe with a host makes the node send requests elsewhere.", _probe_hosts),
    _rule("privileged", "A privileged container is root on its node.", _privileged),
    _rule("proc-mount", "Hidden parts of /proc can show or change the node.", _proc_mount),
    _rule("volume-types", "Other volume types reach the node or other servers directly.", _volume_types),
    _rule("non-root", "The kubelet then refuses an image that would run as root.", _non_root),
    _rule("root-user", "Root in a container can become root on the node.", _root_user),
    _rule("selinux", "Other SELinux options can give access to the node.", _selinux),
    _rule("seccomp", "The profile blocks system calls that programs don't need.", _seccomp),
    _rule("sysctls", "Other kernel settings also change other pods of the node.", _sysctls),
    _rule("host-process", "A Windows host process is an administrator of its node.", _host_process),
)
