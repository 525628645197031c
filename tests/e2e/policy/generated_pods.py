"""Pods for the comparison with the API server: restricted ones, and ones that a few fields make less so.

Nearly all of them are valid, so that the server comes to judge them by Pod Security at all.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

from hypothesis import strategies as st

Pod = dict[str, Any]
"""`metadata` (labels, annotations) and `spec`."""
Change = tuple[tuple[str | int, ...], Any]
"""A path below a pod's spec, or below a container, and the value there; None takes the field out."""

ABSENT = None
_FLAG = st.sampled_from([True, False, ABSENT])
_PROFILE = st.sampled_from(
    [
        {"type": "RuntimeDefault"},
        {"type": "Unconfined"},
        {"type": "Localhost", "localhostProfile": "a.json"},
        ABSENT,
    ]
)
_USER = st.sampled_from([0, 1, 999, 65534, ABSENT])
_SELINUX = st.sampled_from(
    [
        {},
        {"level": "s0:c1,c2"},
        *(
            {"type": each}
            for each in ("container_t", "container_init_t", "container_kvm_t", "container_engine_t")
        ),
        {"type": "spc_t"},
        {"type": ""},
        {"user": "system_u"},
        {"role": "system_r"},
        {"type": "container_t", "user": "a", "role": "b"},
    ]
)
_CAPABILITIES = st.lists(
    st.sampled_from(["NET_BIND_SERVICE", "CHOWN", "SYS_TIME", "NET_RAW", "ALL", "net_bind_service", "KILL"]),
    max_size=3,
)
_DROPPED = st.lists(st.sampled_from(["ALL", "all", "KILL", "NET_RAW"]), max_size=2)
_SYSCTLS = st.lists(
    st.sampled_from(
        [
            "kernel.shm_rmid_forced", "kernel.msgmax", "net.core.somaxconn", "net/ipv4/tcp_syncookies",
            *(
                f"net.ipv4.{name}"
                for name in (
                    "ip_local_port_range", "tcp_syncookies", "ping_group_range", "ip_unprivileged_port_start",
                    "ip_local_reserved_ports", "tcp_keepalive_time", "tcp_fin_timeout", "tcp_keepalive_intvl",
                    "tcp_keepalive_probes", "tcp_rmem", "tcp_wmem", "ip_forward",
                )
            ),
        ]
    ),
    min_size=1,
    max_size=2,
    unique=True,
).map(lambda names: [{"name": name, "value": "1"} for name in names])  # fmt: skip
_SOURCES: list[dict[str, Any]] = [
    {"emptyDir": {}},
    {},
    {"configMap": {"name": "a"}},
    {"secret": {"secretName": "a"}},
    {"projected": {"sources": [{"configMap": {"name": "a"}}]}},
    {"downwardAPI": {"items": [{"path": "a", "fieldRef": {"fieldPath": "metadata.name"}}]}},
    {"persistentVolumeClaim": {"claimName": "a"}},
    {"csi": {"driver": "a.example.org"}},
    {"image": {"reference": "registry.example.org/a:1"}},
    {
        "ephemeral": {
            "volumeClaimTemplate": {
                "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
            }
        }
    },
    {"hostPath": {"path": "/var"}},
    {"nfs": {"server": "a.example.org", "path": "/"}},
    {"iscsi": {"targetPortal": "10.0.0.1", "iqn": "iqn.2001-04.org.example:a", "lun": 0}},
    {"fc": {"targetWWNs": ["a"], "lun": 0}},
    {"gcePersistentDisk": {"pdName": "a"}},
    {"awsElasticBlockStore": {"volumeID": "a"}},
    {"azureFile": {"secretName": "a", "shareName": "a"}},
    {"cephfs": {"monitors": ["a"]}},
    {"flexVolume": {"driver": "example.org/a"}},
    {"glusterfs": {"endpoints": "a", "path": "a"}},
    {"rbd": {"monitors": ["a"], "image": "a"}},
]
_VOLUMES = st.lists(st.sampled_from(_SOURCES), min_size=1, max_size=3).map(
    lambda sources: [{"name": f"v{number}", **source} for number, source in enumerate(sources)]
)
_HOST = st.sampled_from([{"host": "example.org"}, {"host": "127.0.0.1"}, {"host": ""}, {}])
_HANDLER = st.one_of(
    _HOST.map(lambda host: {"httpGet": {"port": 80, "path": "/", **host}}),
    _HOST.map(lambda host: {"tcpSocket": {"port": 80, **host}}),
    st.just({"exec": {"command": ["true"]}}),
)
_PORTS = st.lists(st.sampled_from([{}, {"hostPort": 0}, {"hostPort": 8080}]), max_size=2).map(
    lambda ports: [{"containerPort": 1000 + number, **port} for number, port in enumerate(ports)]
)


def _field(*path: str) -> Callable[[Any], Change]:
    return lambda value: (path, value)


_SECURITY = {
    "runAsNonRoot": _FLAG,
    "runAsUser": _USER,
    "seccompProfile": _PROFILE,
    "appArmorProfile": _PROFILE,
    "seLinuxOptions": _SELINUX,
}
_OF_SECURITY = [value.map(_field("securityContext", name)) for name, value in _SECURITY.items()]
POD_CHANGES: list[st.SearchStrategy[Change]] = [
    *_OF_SECURITY,
    *(_FLAG.map(_field(name)) for name in ("hostNetwork", "hostPID", "hostIPC", "hostUsers")),
    _SYSCTLS.map(_field("securityContext", "sysctls")),
    _VOLUMES.map(_field("volumes")),
    st.just((("os",), {"name": "linux"})),
    st.just((("securityContext",), ABSENT)),
    st.just((("securityContext", "windowsOptions"), {"hostProcess": True})),
]
SECURITY_CHANGES: list[st.SearchStrategy[Change]] = [
    *_OF_SECURITY,
    *(_FLAG.map(_field("securityContext", name)) for name in ("allowPrivilegeEscalation", "privileged")),
    _CAPABILITIES.map(_field("securityContext", "capabilities", "add")),
    _DROPPED.map(_field("securityContext", "capabilities", "drop")),
    st.just((("securityContext", "capabilities"), ABSENT)),
    *(2 * [st.sampled_from(["Default", "Unmasked"]).map(_field("securityContext", "procMount"))]),
    st.just((("securityContext",), ABSENT)),
    st.just((("securityContext", "windowsOptions"), {"hostProcess": True})),
]
CONTAINER_CHANGES: list[st.SearchStrategy[Change]] = [
    *SECURITY_CHANGES,
    _PORTS.map(_field("ports")),
    *(_HANDLER.map(_field(probe)) for probe in ("livenessProbe", "readinessProbe", "startupProbe")),
    *(_HANDLER.map(_field("lifecycle", moment)) for moment in ("postStart", "preStop")),
]
_ANNOTATIONS = st.dictionaries(
    st.sampled_from(["container.apparmor.security.beta.kubernetes.io/main", "example.org/note"]),
    st.sampled_from(["runtime/default", "unconfined", "localhost/a"]),
    max_size=1,
)


def _container(name: str, **more: Any) -> dict[str, Any]:
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    return {"name": name, "image": "registry.example.org/a:1", "securityContext": security, **more}


def _linux() -> dict[str, Any]:
    return {
        "securityContext": {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}},
        "containers": [_container("main"), _container("other")],
        "initContainers": [_container("first"), _container("sidecar", restartPolicy="Always")],
    }


def _windows() -> dict[str, Any]:
    bare = {"image": "registry.example.org/a:1"}
    return {
        "os": {"name": "windows"},
        "securityContext": {"runAsNonRoot": True},
        "containers": [{"name": "main", **bare}, {"name": "other", **bare}],
        "initContainers": [],
    }


def changed(value: dict[str, Any], changes: Sequence[Change]) -> dict[str, Any]:
    """A copy with the changes made."""
    value = copy.deepcopy(value)
    for path, new in changes:
        inner: Any = value
        for step in path[:-1]:
            inner = inner.setdefault(step, {}) if isinstance(inner, dict) else inner[step]
        if new is ABSENT:
            inner.pop(path[-1], None)
        else:
            inner[path[-1]] = copy.deepcopy(new)
    return value


@st.composite
def pods(draw: st.DrawFn) -> Pod:
    """A pod. One in ten is of Windows, where other fields may be set."""
    windows = draw(st.integers(0, 9)) == 0
    spec = _windows() if windows else _linux()
    names = ("runAsNonRoot", "hostNetwork", "hostPID", "volumes", "windowsOptions")
    of_pod, of_container = st.one_of(POD_CHANGES), st.one_of(CONTAINER_CHANGES)
    if windows:
        of_pod = of_pod.filter(lambda change: change[0][-1] in names)
        of_container = of_container.filter(lambda change: change[0][-1] in (*names, "ports", "livenessProbe"))
    spec = changed(spec, draw(st.lists(of_pod, max_size=2)))
    for group in ("containers", "initContainers"):
        for index in range(len(spec[group])):
            spec[group][index] = changed(spec[group][index], draw(st.lists(of_container, max_size=1)))
    _mend(spec)
    return {"metadata": {"labels": {"a": "b"}, "annotations": draw(_ANNOTATIONS)}, "spec": spec}


@st.composite
def ephemeral_containers(draw: st.DrawFn) -> dict[str, Any]:
    """A container as `kubectl debug` adds it: it has neither ports nor probes."""
    container = changed(_container("debug"), draw(st.lists(st.one_of(SECURITY_CHANGES), max_size=2)))
    _mend_container(container)
    return container


def _mend(spec: dict[str, Any]) -> None:
    """Set right what the server refuses before it looks at Pod Security."""
    containers = [*spec["containers"], *spec["initContainers"]]
    for each in containers:
        _mend_container(each)
    securities = [each.get("securityContext", {}) for each in containers]
    if any(each.get("procMount") == "Unmasked" for each in securities):
        spec["hostUsers"] = False
    if any("windowsOptions" in each for each in (*securities, spec.get("securityContext", {}))):
        # a host process shares the network of its node, and all containers of a pod are such
        for each in securities:
            each.pop("windowsOptions", None)
        spec.setdefault("securityContext", {})["windowsOptions"] = {"hostProcess": True}
        spec["hostNetwork"] = True
        spec.pop("hostUsers", None)
        if spec.get("os") == {"name": "linux"}:
            del spec["os"]
        for each in securities:
            each.pop("procMount", None)
    if spec.get("hostUsers") is False:
        for name in ("hostNetwork", "hostPID", "hostIPC"):
            spec.pop(name, None)
    for each in spec["initContainers"]:
        if each.get("restartPolicy") != "Always":
            for name in ("livenessProbe", "readinessProbe", "startupProbe", "lifecycle"):
                each.pop(name, None)
    if spec.get("hostNetwork"):
        for each in containers[1:]:
            each.pop("ports", None)  # one port of the node for each
        for port in containers[0].get("ports", ()):
            port["hostPort"] = port["containerPort"]


def _mend_container(container: dict[str, Any]) -> None:
    security = container.get("securityContext", {})
    if security.get("privileged") and security.get("allowPrivilegeEscalation") is False:
        del security["allowPrivilegeEscalation"]
    for name in ("livenessProbe", "startupProbe"):
        if name in container:
            container[name]["successThreshold"] = 1
