"""The programs of a sandbox: their arguments, their configuration files and the order that they start in."""

from __future__ import annotations

import os
import sys
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from filewallball import paths
from filewallball.sandbox import network, trials
from filewallball.sandbox.toolchain import Binaries

PAUSE = "registry.k8s.io/pause:3.10.1"
CONTAINERD_SOCKET = "/run/containerd/containerd.sock"
API_PORT = 6443
CNI_STATE = Path("/var/lib/cni")
"""Where the CNI library keeps its state. Each sandbox mounts its own folder over it.

The empty folder stays: removing it would take the mount away from the sandboxes that run.
"""
ETCD = "127.0.0.1:2379"

SYSTEM_PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
"""Debian's default. root's PATH may lack the sbin directories."""


@dataclass(frozen=True)
class Node:
    """What the programs of one sandbox need to know."""

    name: str
    directory: Path
    address: str
    binaries: Binaries
    snapshotter: str = trials.OVERLAY

    @property
    def context(self) -> str:
        """Name of the kubeconfig context, of the node and of the cgroup."""
        return paths.sandbox_context(self.name)

    @property
    def pki(self) -> Path:
        return self.directory / "pki"

    @property
    def config(self) -> Path:
        return self.directory / "config"

    @property
    def server(self) -> str:
        return f"https://{self.address}:{API_PORT}"

    def kubeconfig(self, user: str) -> Path:
        return self.config / f"{user}.conf"


@dataclass(frozen=True)
class Program:
    """One process. `after` are conditions of `supervisor.answers` that must hold before it starts.

    `reaches_out`: its last argument is a descriptor of the machine's own network.
    """

    name: str
    argv: list[str]
    after: list[str] = field(default_factory=list[str])
    reaches_out: bool = False


def plan(node: Node, cgroups: list[Path]) -> dict[str, Any]:
    """Everything that the supervisor needs, as the data of its `plan.json`."""
    # GOGC trades a tenth of the processor time for a third of the memory of what mostly idles.
    frugal = os.environ.get("GOGC", "50")
    environment = {"PATH": f"{node.binaries.directory}:{SYSTEM_PATH}", "HOME": "/root", "GOGC": frugal}
    return {
        "cgroups": [str(each) for each in cgroups],
        "interface": "eth0",
        "address": f"{node.address}/30",
        "services": network.SERVICE_SUBNET,
        "sysctls": {"net.ipv4.ip_forward": "1"},
        "run_directories": ["/run/containerd", "/run/cni", "/run/netns"],
        "binds": [["/run/cni", str(CNI_STATE)]],
        "programs": [
            {
                "name": each.name,
                "argv": each.argv,
                "environment": environment,
                "after": each.after,
                "reaches_out": each.reaches_out,
            }
            for each in programs(node)
        ],
    }


def programs(node: Node) -> list[Program]:
    """In the order that they start in, which is also the reverse of the order that they end in."""
    ready = [f"{node.server}/readyz"]
    return [
        _containerd(node),
        _etcd(node),
        _apiserver(node),
        _controller_manager(node, ready),
        _scheduler(node, ready),
        _proxy(node, ready),
        _controllers(node, ready),
        _publisher(node, ready),
        _kubelet(node, [f"unix:{CONTAINERD_SOCKET}", *ready]),
    ]


def _flags(**flags: object) -> list[str]:
    return [f"--{name.replace('_', '-')}={value}" for name, value in flags.items()]


def _containerd(node: Node) -> Program:
    return Program(
        "containerd",
        [
            str(node.binaries["containerd"]),
            "--config",
            str(node.config / "containerd.toml"),
            "--log-level",
            "warn",
        ],
    )


def _etcd(node: Node) -> Program:
    # Only what is in the sandbox's network namespace can reach it; pods have namespaces of their own.
    flags = _flags(
        name="default",
        data_dir=node.directory / "etcd",
        listen_client_urls=f"http://{ETCD}",
        advertise_client_urls=f"http://{ETCD}",
        listen_peer_urls="http://127.0.0.1:2380",
        initial_advertise_peer_urls="http://127.0.0.1:2380",
        initial_cluster="default=http://127.0.0.1:2380",
        snapshot_count=10000,
        auto_compaction_retention="1",
        log_level="warn",
    )
    return Program("etcd", [str(node.binaries["etcd"]), *flags])


def _apiserver(node: Node) -> Program:
    pki = node.pki
    flags = _flags(
        advertise_address=node.address,
        allow_privileged="true",
        authorization_mode="Node,RBAC",
        client_ca_file=pki / "ca.crt",
        enable_admission_plugins="NodeRestriction",
        etcd_servers=f"http://{ETCD}",
        kubelet_client_certificate=pki / "apiserver-kubelet-client.crt",
        kubelet_client_key=pki / "apiserver-kubelet-client.key",
        kubelet_preferred_address_types="InternalIP",
        proxy_client_cert_file=pki / "front-proxy-client.crt",
        proxy_client_key_file=pki / "front-proxy-client.key",
        requestheader_allowed_names="front-proxy-client",
        requestheader_client_ca_file=pki / "front-proxy-ca.crt",
        requestheader_extra_headers_prefix="X-Remote-Extra-",
        requestheader_group_headers="X-Remote-Group",
        requestheader_username_headers="X-Remote-User",
        secure_port=API_PORT,
        service_account_issuer="https://kubernetes.default.svc.cluster.local",
        service_account_key_file=pki / "sa.pub",
        service_account_signing_key_file=pki / "sa.key",
        service_cluster_ip_range=network.SERVICE_SUBNET,
        tls_cert_file=pki / "apiserver.crt",
        tls_private_key_file=pki / "apiserver.key",
        # Ends long watches quickly when the sandbox goes down.
        shutdown_send_retry_after="true",
    )
    return Program("kube-apiserver", [str(node.binaries["kube-apiserver"]), *flags], [f"tcp:{ETCD}"])


def _controller_manager(node: Node, after: list[str]) -> Program:
    kubeconfig = node.kubeconfig("controller-manager")
    flags = _flags(
        kubeconfig=kubeconfig,
        authentication_kubeconfig=kubeconfig,
        authorization_kubeconfig=kubeconfig,
        bind_address="127.0.0.1",
        client_ca_file=node.pki / "ca.crt",
        cluster_signing_cert_file=node.pki / "ca.crt",
        cluster_signing_key_file=node.pki / "ca.key",
        controllers="*,-cloud-node-lifecycle-controller,-ttl-controller",
        flex_volume_plugin_dir=node.directory / "kubelet" / "flexvolumes",
        leader_elect="false",
        root_ca_file=node.pki / "ca.crt",
        service_account_private_key_file=node.pki / "sa.key",
        service_cluster_ip_range=network.SERVICE_SUBNET,
        use_service_account_credentials="true",
    )
    return Program("kube-controller-manager", [str(node.binaries["kube-controller-manager"]), *flags], after)


def _scheduler(node: Node, after: list[str]) -> Program:
    kubeconfig = node.kubeconfig("scheduler")
    flags = _flags(
        kubeconfig=kubeconfig,
        authentication_kubeconfig=kubeconfig,
        authorization_kubeconfig=kubeconfig,
        bind_address="127.0.0.1",
        leader_elect="false",
    )
    return Program("kube-scheduler", [str(node.binaries["kube-scheduler"]), *flags], after)


def _proxy(node: Node, after: list[str]) -> Program:
    return Program(
        "kube-proxy",
        [str(node.binaries["kube-proxy"]), *_flags(config=node.config / "kube-proxy.yaml")],
        after,
    )


def _controllers(node: Node, after: list[str]) -> Program:
    flags = _flags(kubeconfig=node.kubeconfig("admin"), node=node.context, volumes=node.directory / "volumes")
    return Program("controllers", [str(node.binaries["controllers"]), *flags], after)


def _publisher(node: Node, after: list[str]) -> Program:
    argv = [sys.executable, "-m", "filewallball.sandbox.publisher"]
    return Program(
        "publisher", [*argv, str(node.directory), str(node.kubeconfig("admin"))], after, reaches_out=True
    )


def _kubelet(node: Node, after: list[str]) -> Program:
    flags = _flags(
        config=node.config / "kubelet.yaml",
        hostname_override=node.context,
        kubeconfig=node.kubeconfig("kubelet"),
        node_ip=node.address,
        root_dir=node.directory / "kubelet",
        cert_dir=node.directory / "kubelet" / "pki",
    )
    return Program("kubelet", [str(node.binaries["kubelet"]), *flags], after)
