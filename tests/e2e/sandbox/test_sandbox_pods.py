"""What people do with pods: run them, read logs, exec, forward ports, resolve names, keep data."""

from __future__ import annotations

import socket
import subprocess

import cluster_objects as objects
import pytest
from shared_sandbox import Sandbox, kubectl_path


@pytest.fixture
def web(sandbox: Sandbox, namespace: str) -> str:
    """A pod `web` that serves `hello` on 8080, behind the Service `site` on 80."""
    page = "busybox mkdir -p /tmp/www; echo hello > /tmp/www/index.html"
    script = f"echo started; {page}; exec busybox httpd -f -p 8080 -h /tmp/www"
    objects.create_pod(sandbox.kube, namespace, "web", ["sh", "-c", script], labels={"app": "web"}, port=8080)
    objects.create_service(sandbox.kube, namespace, "site", {"app": "web"}, 80, 8080)
    objects.wait_ready(sandbox.kube, namespace, "web")
    return "web"


def test_logs_and_exec(sandbox: Sandbox, namespace: str, web: str) -> None:
    assert sandbox.kubectl("-n", namespace, "logs", web).stdout == "started\n"
    answer = sandbox.kubectl("-n", namespace, "exec", web, "--", "busybox", "cat", "/tmp/www/index.html")
    assert answer.stdout == "hello\n"
    failed = sandbox.kubectl("-n", namespace, "exec", web, "--", "sh", "-c", "exit 7", check=False)
    assert failed.returncode == 7


def test_port_forward(sandbox: Sandbox, namespace: str, web: str) -> None:
    command = [kubectl_path(), "--kubeconfig", str(sandbox.kubeconfig), "-n", namespace]
    with subprocess.Popen(
        [*command, "port-forward", "--address", "127.0.0.1", "service/site", ":80"],
        stdout=subprocess.PIPE,
        text=True,
    ) as forward:
        try:
            assert forward.stdout is not None
            port = int(forward.stdout.readline().split(" -> ")[0].rpartition(":")[2])
            with socket.create_connection(("127.0.0.1", port), timeout=10) as connection:
                connection.sendall(b"GET / HTTP/1.0\r\n\r\n")
                answer = connection.makefile("rb").read()
        finally:
            forward.terminate()
    assert b"hello" in answer


def test_names_and_services(sandbox: Sandbox, namespace: str, web: str) -> None:
    """Also for a pod that reaches itself by way of its Service, as here."""

    def fetched(name: str, *, check: bool = True) -> str:
        # Not wget -T, with which Debian's busybox crashes.
        fetch = ["busybox", "timeout", "10", "busybox", "wget", "-qO-", f"http://{name}"]
        return sandbox.kubectl("-n", namespace, "exec", web, "--", *fetch, check=check).stdout

    # A Service leads to its pod some time after the pod is ready.
    objects.wait_until(lambda: fetched("site", check=False) == "hello\n", "the Service to lead to its pod")
    for name in (f"site.{namespace}", f"site.{namespace}.svc.cluster.local"):
        assert fetched(name) == "hello\n"
    look_up = ["exec", web, "--", "busybox", "nslookup", "example.com"]
    assert "NXDOMAIN" in sandbox.kubectl("-n", namespace, *look_up, check=False).stdout


def test_a_pod_reaches_the_api_server(sandbox: Sandbox, namespace: str) -> None:
    # It speaks TLS alone, and says so in an answer to plain HTTP.
    probe = ["sh", "-c", "busybox wget -qO- http://kubernetes.default:443 2>&1 || true"]
    assert "400 Bad Request" in objects.run_to_end(sandbox.kube, namespace, probe)


def test_a_claim_is_bound_and_written_to_by_a_non_root_pod(sandbox: Sandbox, namespace: str) -> None:
    objects.create_claim(sandbox.kube, namespace, "data", "1Gi")
    objects.create_pod(
        sandbox.kube,
        namespace,
        "writer",
        ["sh", "-c", "echo kept > /data/file && busybox stat -c %a:%u:%g /data && exec busybox sleep 600"],
        claim="data",
        user=999,
    )
    objects.wait_ready(sandbox.kube, namespace, "writer")
    # Without a probe it is ready as soon as it runs, before it has said anything.
    objects.wait_until(lambda: sandbox.kube.logs("writer", namespace) != "", "what the pod says")
    assert sandbox.kube.logs("writer", namespace) == "2775:0:999\n"
    claim = sandbox.kube.get("v1", "PersistentVolumeClaim", "data", namespace)
    assert claim is not None
    assert claim["status"]["phase"] == "Bound"
    assert claim["spec"]["storageClassName"] == "standard"


def test_without_fs_group_a_non_root_pod_cannot_write(sandbox: Sandbox, namespace: str) -> None:
    objects.create_claim(sandbox.kube, namespace, "data", "1Gi")
    command = ["sh", "-c", "echo kept > /data/file || echo refused"]
    assert "refused" in objects.run_to_end(
        sandbox.kube, namespace, command, claim="data", user=999, group=None
    )


def test_a_claim_grows(sandbox: Sandbox, namespace: str) -> None:
    objects.create_claim(sandbox.kube, namespace, "data", "1Gi")
    objects.create_pod(sandbox.kube, namespace, "user", ["busybox", "sleep", "600"], claim="data")
    objects.wait_ready(sandbox.kube, namespace, "user")
    more = {"spec": {"resources": {"requests": {"storage": "2Gi"}}}}
    sandbox.kube.patch("v1", "PersistentVolumeClaim", "data", namespace, more)
    objects.wait_until(
        lambda: (
            (sandbox.kube.get("v1", "PersistentVolumeClaim", "data", namespace) or {})["status"]["capacity"]
            == {"storage": "2Gi"}
        ),
        "the claim's capacity to be 2Gi",
    )


def test_a_deleted_claim_takes_its_directory_along(sandbox: Sandbox, namespace: str) -> None:
    objects.create_claim(sandbox.kube, namespace, "data", "1Gi")
    objects.run_to_end(sandbox.kube, namespace, ["sh", "-c", "echo x > /data/x"], claim="data")
    claim = sandbox.kube.get("v1", "PersistentVolumeClaim", "data", namespace)
    assert claim is not None
    directory = sandbox.kubeconfig.parent / "volumes" / claim["spec"]["volumeName"]
    assert (directory / "x").read_text() == "x\n"
    for pod in sandbox.kube.list("v1", "Pod", namespace):
        sandbox.kube.delete("v1", "Pod", pod["metadata"]["name"], namespace)
    sandbox.kube.delete("v1", "PersistentVolumeClaim", "data", namespace)
    objects.wait_until(lambda: not directory.exists(), "the volume's directory to go")
