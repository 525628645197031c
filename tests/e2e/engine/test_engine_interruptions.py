"""Ctrl-C, an API server that goes away, a cluster that was never there."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import closing, suppress
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import yaml
from cluster_objects import wait_until
from lab import Lab, lab
from shared_sandbox import Sandbox

from filewallball.kube import Unreachable

FOREVER = "exec busybox sleep 3600"


class Proxy:
    """Stands between the engine and the API server, and can be cut."""

    def __init__(self, server: str) -> None:
        where = urlsplit(server)
        self._target = (where.hostname, where.port)
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        self._open: list[socket.socket] = []
        self.cut = False
        threading.Thread(target=self._accept, daemon=True).start()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                if self.cut:
                    client.close()
                    continue
                server = socket.create_connection(self._target)
                self._open += [client, server]
                for ends in ((client, server), (server, client)):
                    threading.Thread(target=self._pump, args=ends, daemon=True).start()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        with suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        with suppress(OSError):
            sink.shutdown(socket.SHUT_RDWR)

    def sever(self) -> None:
        """Break all connections, and refuse new ones."""
        self.cut = True
        for each in self._open:
            with suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)

    def close(self) -> None:
        self.sever()
        self._listener.close()


@pytest.fixture
def proxy(sandbox: Sandbox) -> Iterator[Proxy]:
    with closing(Proxy(sandbox.kube.server)) as made:
        yield made


@pytest.fixture
def far(sandbox: Sandbox, proxy: Proxy, tmp_path: Path) -> Iterator[Lab]:
    """A lab whose engine reaches the cluster through the proxy only."""
    config = yaml.safe_load(sandbox.kubeconfig.read_text())
    cluster = config["clusters"][0]["cluster"]
    cluster.pop("certificate-authority-data", None)
    cluster |= {"server": f"https://127.0.0.1:{proxy.port}", "insecure-skip-tls-verify": True}
    path = tmp_path / "kubeconfig"
    path.write_text(yaml.safe_dump(config))
    with lab(sandbox, tmp_path / "project", path) as made:
        yield made


def is_waiting(lab: Lab) -> bool:
    """The engine says so. That the object is there isn't enough: the answer may still be on its way, and a
    cut would then have the engine apply it again, over what the test has changed meanwhile."""
    return f"Deployment {lab.namespace}/web: 0 of 1 replicas available" in lab.said


def lease_of(lab: Lab) -> object:
    return lab.kube.get("coordination.k8s.io/v1", "Lease", lab.record, "default")


def interrupted(lab: Lab) -> subprocess.Popen[str]:
    """A real `fwb up` that waits for what will never be ready, and has been sent one Ctrl-C."""
    lab.declare(
        lab.workload("Deployment", "web", FOREVER, pod={"nodeSelector": {"planet": "mars"}}),
        lab.config_map("after", dependsOn=["web"]),
    )
    run = lab.fwb("up", lab.stack, "--engine", "embedded", "--no-checks")
    wait_until(lambda: lab.get("Deployment", "web") is not None, "the Deployment")
    run.send_signal(signal.SIGINT)
    return run


def test_ctrl_c_stops_in_order_and_the_next_up_goes_on(lab: Lab) -> None:
    run = interrupted(lab)
    said, _ = run.communicate(timeout=100)
    assert run.returncode == 1, said
    assert "interrupted: the rest is left as it was" in said
    assert "Traceback" not in said
    assert lease_of(lab) is None
    assert lab.get("ConfigMap", "after") is None
    lab.up(lab.workload("Deployment", "web", FOREVER), lab.config_map("after", dependsOn=["web"]))


def test_a_brief_absence_of_the_api_server_is_borne(far: Lab, proxy: Proxy) -> None:
    probe = {"exec": {"command": ["sh", "-c", "exit 1"]}, "periodSeconds": 1}
    far.declare(far.workload("Deployment", "web", FOREVER, container={"readinessProbe": probe}))
    run = threading.Thread(target=far.up)
    run.start()
    wait_until(lambda: is_waiting(far), "the engine to wait", lambda: far.said)
    proxy.sever()
    threading.Timer(2.0, lambda: setattr(proxy, "cut", False)).start()
    wait_until(lambda: not proxy.cut, "the proxy to let through again")
    unprobed = {"containers": [{"name": "main", "readinessProbe": None}]}
    change = {"spec": {"template": {"spec": unprobed}}}
    far.kube.patch("apps/v1", "Deployment", "web", far.namespace, change, type="strategic")
    run.join(120)
    assert "web created" in far.said


def test_an_api_server_that_stays_away_is_named(far: Lab, proxy: Proxy) -> None:
    far.declare(far.workload("Deployment", "web", FOREVER, pod={"nodeSelector": {"planet": "mars"}}))
    failures: list[str] = []

    def up() -> None:
        failures.extend(far.try_up(patience=2.0).failures)

    run = threading.Thread(target=up)
    run.start()
    wait_until(lambda: is_waiting(far), "the engine to wait", lambda: far.said)
    proxy.sever()
    run.join(120)
    assert len(failures) == 1
    assert f"Cannot reach the cluster at https://127.0.0.1:{proxy.port}" in failures[0]


def test_an_unreachable_cluster_fails_a_preview(lab: Lab) -> None:
    config = yaml.safe_load(Path(str(lab.folder / f"Pulumi.{lab.stack}.yaml")).read_text(encoding="utf-8"))
    kubeconfig = yaml.safe_load(Path(config["config"]["kubeconfig"]).read_text(encoding="utf-8"))
    kubeconfig["clusters"][0]["cluster"]["server"] = "https://127.0.0.1:9"
    config["config"]["kubeconfig"] = yaml.safe_dump(kubeconfig)
    (lab.folder / f"Pulumi.{lab.stack}.yaml").write_text(yaml.safe_dump(config))
    with pytest.raises(Unreachable, match=r"Cannot reach the cluster at https://127.0.0.1:9 \(context fwb-"):
        lab.preview()
    run = lab.fwb("preview", lab.stack, "--engine", "embedded")
    said, _ = run.communicate(timeout=100)
    assert run.returncode == 1
    assert said.count("Cannot reach the cluster") == 1
    assert "Traceback" not in said


def test_a_second_ctrl_c_leaves_at_once(lab: Lab) -> None:
    lab.up(lab.config_map("a"))
    lab.kube.patch("v1", "ConfigMap", "a", lab.namespace, {"metadata": {"finalizers": ["test.local/hold"]}})
    lab.declare(lab.config_map("b"))
    hangs = lab.folder / "hangs"
    (lab.folder / "hang.py").write_text(f"import time\nopen({str(hangs)!r}, 'w')\ntime.sleep(60)\n")
    program = lab.folder / "__main__.py"
    # a program that doesn't come to an end by itself
    program.write_text(program.read_text() + "\nif not pulumi.runtime.is_dry_run():\n    import hang\n")
    run = lab.fwb("up", lab.stack, "--engine", "embedded", "--no-checks")
    wait_until(hangs.exists, "the program to hang")
    assert lease_of(lab) is not None
    run.send_signal(signal.SIGINT)
    with pytest.raises(subprocess.TimeoutExpired):
        run.wait(2)
    run.send_signal(signal.SIGINT)
    said, _ = run.communicate(timeout=30)
    assert run.returncode == 128 + signal.SIGINT
    assert "leaving at once" in said
    lab.kube.patch("v1", "ConfigMap", "a", lab.namespace, {"metadata": {"finalizers": None}})
