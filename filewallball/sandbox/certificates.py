"""Certificates and kubeconfigs of a sandbox, written by kubeadm's own phases."""

from __future__ import annotations

import json
import shutil
import subprocess
from typing import Any

import yaml

from filewallball.errors import UserError
from filewallball.sandbox import network
from filewallball.sandbox.programs import API_PORT, Node

_LIFETIME = "87600h"
"""Ten years. kubeadm's default of one year is too short for a sandbox that nobody looks after."""


def prepare(node: Node) -> None:
    """Write what is missing; keep the authorities, but issue anew what names an address that has changed."""
    done = node.config / "certificates.json"
    wanted = {"address": node.address, "version": node.binaries.kubernetes_version}
    if done.exists() and json.loads(done.read_text(encoding="utf-8")) == wanted:
        return
    node.pki.mkdir(parents=True, exist_ok=True)
    node.config.mkdir(parents=True, exist_ok=True)
    for pattern in ("apiserver*", "front-proxy-client*"):
        for path in node.pki.glob(pattern):
            path.unlink()
    for path in node.config.glob("*.conf"):
        path.unlink()
    # kubeadm writes a kubeconfig that it finds damaged nowhere else than here.
    config = node.config / "kubeadm.yaml"
    config.write_text(yaml.safe_dump_all(kubeadm_configuration(node)), encoding="utf-8")
    _kubeadm(node, "init", "phase", "certs", "all", "--config", str(config))
    for user in ("super-admin", "controller-manager", "scheduler", "kubelet"):
        _kubeadm(
            node,
            "init",
            "phase",
            "kubeconfig",
            user,
            "--config",
            str(config),
            "--kubeconfig-dir",
            str(node.config),
        )
    (node.config / "super-admin.conf").replace(node.kubeconfig("admin"))
    proxy = _kubeadm(
        node, "kubeconfig", "user", "--config", str(config), "--client-name", "system:kube-proxy"
    )
    node.kubeconfig("kube-proxy").write_text(proxy, encoding="utf-8")
    done.write_text(json.dumps(wanted), encoding="utf-8")


def kubeadm_configuration(node: Node) -> list[dict[str, Any]]:
    version = "kubeadm.k8s.io/v1beta4"
    return [
        {
            "apiVersion": version,
            "kind": "InitConfiguration",
            "localAPIEndpoint": {"advertiseAddress": node.address, "bindPort": API_PORT},
            "nodeRegistration": {"name": node.context, "criSocket": "unix:///run/containerd/containerd.sock"},
        },
        {
            "apiVersion": version,
            "kind": "ClusterConfiguration",
            "clusterName": node.context,
            "kubernetesVersion": node.binaries.kubernetes_version,
            "controlPlaneEndpoint": f"{node.address}:{API_PORT}",
            "certificatesDir": str(node.pki),
            "encryptionAlgorithm": "ECDSA-P256",
            "certificateValidityPeriod": _LIFETIME,
            "caCertificateValidityPeriod": _LIFETIME,
            "networking": {
                "podSubnet": network.POD_SUBNET,
                "serviceSubnet": network.SERVICE_SUBNET,
                "dnsDomain": "cluster.local",
            },
        },
    ]


def user_kubeconfig(node: Node) -> str:
    """The administrator's kubeconfig, everything in it named after the sandbox."""
    config = yaml.safe_load(node.kubeconfig("admin").read_text(encoding="utf-8"))
    name = node.context
    config["clusters"][0]["name"] = name
    config["users"][0]["name"] = name
    config["contexts"] = [{"name": name, "context": {"cluster": name, "user": name}}]
    config["current-context"] = name
    return yaml.safe_dump(config)


def _kubeadm(node: Node, *arguments: str) -> str:
    done = subprocess.run(
        [node.binaries["kubeadm"], *arguments],
        check=False,
        capture_output=True,
        encoding="utf-8",
        errors="replace",
        env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "HOME": str(node.config)},
    )
    if done.returncode:
        shutil.rmtree(node.pki, ignore_errors=True)
        raise UserError(
            f"kubeadm {' '.join(arguments[:4])} failed:\n{done.stderr.strip()}",
            f"The certificates below {node.directory} were removed. Run the command again.",
        )
    return done.stdout
