"""The configuration files of a sandbox's programs."""

from __future__ import annotations

import json
import shutil
from typing import Any

import yaml

from filewallball.errors import UserError
from filewallball.sandbox import network
from filewallball.sandbox.programs import CONTAINERD_SOCKET, PAUSE, SYSTEM_PATH, Node


def write(node: Node) -> None:
    """Write the configuration files of all programs."""
    node.config.mkdir(parents=True, exist_ok=True)
    (node.config / "containerd.toml").write_text(containerd_configuration(node), encoding="utf-8")
    # Pods with `dnsPolicy: Default` get this; a sandbox has no way out, so it names no server.
    (node.config / "resolv.conf").write_text(
        "# a sandbox has no name servers but its own\n", encoding="utf-8"
    )
    (node.config / "kubelet.yaml").write_text(yaml.safe_dump(kubelet_configuration(node)), encoding="utf-8")
    (node.config / "kube-proxy.yaml").write_text(yaml.safe_dump(proxy_configuration(node)), encoding="utf-8")
    cni = node.config / "cni"
    cni.mkdir(exist_ok=True)
    (cni / "10-filewallball.conflist").write_text(json.dumps(cni_configuration(), indent=1), encoding="utf-8")


def containerd_configuration(node: Node) -> str:
    runc = shutil.which("runc", path=SYSTEM_PATH)
    if runc is None:
        raise UserError("runc is not installed", "Run `apt-get install runc`.")
    disabled = [
        "io.containerd.internal.v1.opt",
        "io.containerd.nri.v1.nri",
        *(
            f"io.containerd.snapshotter.v1.{each}"
            for each in ("blockfile", "btrfs", "devmapper", "erofs", "zfs")
        ),
    ]
    cri = '[plugins."io.containerd.cri.v1.'
    return "\n".join(
        [
            "version = 3",
            f"root = {json.dumps(str(node.directory / 'containerd'))}",
            'state = "/run/containerd"',
            f"disabled_plugins = {json.dumps(disabled)}",
            "[grpc]",
            f"address = {json.dumps(CONTAINERD_SOCKET)}",
            f'{cri}images"]',
            f"snapshotter = {json.dumps(node.snapshotter)}",
            f'{cri}images".pinned_images]',
            f"sandbox = {json.dumps(PAUSE)}",
            f'{cri}runtime"]',
            # We may be in a container ourselves, which can't lower the score.
            "restrict_oom_score_adj = true",
            f'{cri}runtime".cni]',
            f"bin_dirs = [{json.dumps(str(node.binaries['ptp'].parent))}]",
            f"conf_dir = {json.dumps(str(node.config / 'cni'))}",
            f'{cri}runtime".containerd]',
            'default_runtime_name = "runc"',
            f'{cri}runtime".containerd.runtimes.runc]',
            'runtime_type = "io.containerd.runc.v2"',
            f'{cri}runtime".containerd.runtimes.runc.options]',
            f"BinaryName = {json.dumps(runc)}",
            "SystemdCgroup = false",
            "",
        ]
    )


def cni_configuration() -> dict[str, Any]:
    """Routed point-to-point links: traffic between pods passes the node's forward hook, and its policies."""
    return {
        "cniVersion": "1.0.0",
        "name": "filewallball",
        "plugins": [
            {
                "type": "ptp",
                "ipam": {
                    "type": "host-local",
                    "dataDir": "/run/cni/networks",
                    "ranges": [[{"subnet": network.POD_SUBNET}]],
                    "routes": [{"dst": "0.0.0.0/0"}],
                },
            },
            {"type": "portmap", "backend": "nftables", "capabilities": {"portMappings": True}},
        ],
    }


def kubelet_configuration(node: Node) -> dict[str, Any]:
    return {
        "apiVersion": "kubelet.config.k8s.io/v1beta1",
        "kind": "KubeletConfiguration",
        "authentication": {
            "anonymous": {"enabled": False},
            "webhook": {"enabled": True},
            "x509": {"clientCAFile": str(node.pki / "ca.crt")},
        },
        "authorization": {"mode": "Webhook"},
        "cgroupDriver": "cgroupfs",
        "cgroupRoot": f"/{node.context}",
        "clusterDNS": [network.DNS_ADDRESS],
        "clusterDomain": "cluster.local",
        # The shortest pause that there is before a container's second and later restarts, in place of 10 s,
        # 20 s … 5 min, which the kubelet forgets after ten minutes without a crash. Elsewhere faults come one
        # at a time, and the restart at once: a drill that makes twenty of them would measure the pause.
        "crashLoopBackOff": {"maxContainerRestartPeriod": "1s"},
        "containerRuntimeEndpoint": f"unix://{CONTAINERD_SOCKET}",
        # The machine's disk is shared with much else, and images can't be pulled again: never evict early.
        "evictionHard": {"memory.available": "100Mi", "nodefs.available": "1%", "imagefs.available": "1%"},
        "imageGCHighThresholdPercent": 100,
        "failCgroupV1": False,
        "failSwapOn": False,
        "resolvConf": str(node.config / "resolv.conf"),
        "rotateCertificates": False,
        # Requests of many pods at once shouldn't wait for each other.
        "serializeImagePulls": False,
        "volumePluginDir": str(node.directory / "kubelet" / "flexvolumes"),
    }


def proxy_configuration(node: Node) -> dict[str, Any]:
    return {
        "apiVersion": "kubeproxy.config.k8s.io/v1alpha1",
        "kind": "KubeProxyConfiguration",
        "clientConnection": {"kubeconfig": str(node.kubeconfig("kube-proxy"))},
        "clusterCIDR": network.POD_SUBNET,
        # Zero leaves alone what only the host's own network namespace may set.
        "conntrack": {"maxPerCore": 0, "min": 0, "tcpCloseWaitTimeout": "0s", "tcpEstablishedTimeout": "0s"},
        "healthzBindAddress": "127.0.0.1:10256",
        "hostnameOverride": node.context,
        "metricsBindAddress": "127.0.0.1:10249",
        "mode": "nftables",
        # The default of a second, meant for large clusters, is what every new Service would wait.
        "nftables": {"minSyncPeriod": "0.1s"},
    }
