"""`make lint` finds a misspelt or mistyped field of a Kubernetes object, at its line, and costs no time."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from program_run import ROOT

# Each line with a comment holds a fault, of the kind that the comment says in pyright's words.
FAULTS = """
from __future__ import annotations

from typing import TYPE_CHECKING

from components import network, pods, rights, schema
from components.kube import Object, config_map, metadata, service

if TYPE_CHECKING:
    import pulumi

    from components import kinds


def misspelt(template: kinds.PodTemplateSpec) -> kinds.StatefulSet:
    return {
        "apiVersion": "apps/v1",
        "kind": "StatefulSet",
        "metadata": metadata("a", "n", {}),
        "spec": {
            "serviceName": "a",
            "replcias": 1,  # "replcias" is an undefined item
            "selector": {"matchLabels": {}},
            "template": template,
        },
    }


def one_level_too_high(template: kinds.PodTemplateSpec) -> kinds.Deployment:
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": metadata("a", "n", {}),
        "replicas": 1,  # "replicas" is an undefined item
        "spec": {"selector": {"matchLabels": {}}, "template": template},
    }


def one_level_too_low(template: kinds.PodTemplateSpec) -> kinds.CronJob:
    return {
        "apiVersion": "batch/v1",
        "kind": "CronJob",
        "metadata": metadata("a", "n", {}),
        "spec": {
            "schedule": "0 2 * * *",
            "jobTemplate": {
                "spec": {
                    "template": template,
                    "concurrencyPolicy": "Forbid",  # "concurrencyPolicy" is an undefined item
                }
            },
        },
    }


def left_out() -> kinds.PodDisruptionBudget:
    return {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget"}  # "metadata" is required


def other_version(template: kinds.PodTemplateSpec) -> kinds.Job:
    return {
        "apiVersion": "batch/v1beta1",  # 'batch/v1'
        "kind": "Job",
        "metadata": metadata("a", "n", {}),
        "spec": {"template": template},
    }


def deep() -> kinds.Container:
    return {
        "name": "a",
        "env": [
            {"name": "A", "value": "a"},
            {"name": "B", "value": 3306},  # is not assignable to "str"
        ],
        "securityContext": {
            "capabilities": {"drop": ["ALL"]},
        },
    }


def context() -> kinds.SecurityContext:
    return {
        "allowPrivilegeEscalation": False,
        "readOnly": True,  # "readOnly" is an undefined item
    }


def policy(namespace: pulumi.Input[str]) -> kinds.NetworkPolicy:
    return network.policy(
        "a",
        namespace,
        "database",
        {
            "podSelector": {},
            "ingress": [
                {"form": [{"podSelector": {}}]},  # "form" is an undefined item
            ],
        },
    )


def started(resources: schema.Resources) -> None:
    pods.container(
        "a", "image", resources, [], {},
        env={"PORT": 3306},  # is not assignable to "str"
        ports=[{"name": "mysql", "containerPort": "3306", "protocol": "TCP"}],  # is not assignable to "int"
        livenessProbe={"tcpSocket": {"prot": "mysql"}},  # "prot" is an undefined item
    )
    pods.container(
        "a", "image", resources, [], {},
        livenesProbe=pods.port_probe("mysql", period=1, failures=1),  # No parameter named "livenesProbe"
    )


def placed(container: kinds.Container, probe: kinds.Probe) -> None:
    pods.template(
        {},
        [container],
        [{"name": "a", "emptyDir": {"sizelimit": "1Gi"}}],  # "sizelimit" is an undefined item
        annotations={"a": 1},  # is not assignable to "str"
        affinity={"podAntiAfinity": {}},  # "podAntiAfinity" is an undefined item
    )
    pods.template({}, [container], [], restartpolicy="Never")  # No parameter named "restartpolicy"
    container["readinessProbe"] = probe | {"periodSecond": 1}  # is not assignable to "Probe"
    container["imagePullpolicy"] = "Always"  # "imagePullpolicy" is not a defined key


def others(parent: pulumi.ResourceOptions) -> None:
    service("a", "n", {}, {}, {"mysql": 3306}, clusterIp="None")  # No parameter named "clusterIp"
    service("a", "n", {}, {}, {"mysql": "3306"})  # is not assignable to "int"
    config_map("a", "n", {}, {"port": 3306})  # is not assignable to "str"
    rights.role("a", "n", {}, [{"verbs": ["get"], "resource": ["pods"]}])  # "resource" is an undefined item
    spec: kinds.PersistentVolumeClaimSpec
    spec = {"accessModes": "ReadWriteOnce"}  # is not assignable to "list[str]"
    Object("a", {"apiVersion": "v1", "kind": "Pod", "metadata": {}}, parent)  # "Manifest"
    print(spec)
"""


@pytest.fixture(scope="module")
def reported(tmp_path_factory: pytest.TempPathFactory) -> dict[int, str]:
    """Line → what pyright says of it, set as `make lint` has it."""
    folder = tmp_path_factory.mktemp("types")
    (folder / "faults.py").write_text(FAULTS, encoding="utf-8")
    config = {
        "include": ["faults.py"],
        "typeCheckingMode": "strict",
        "pythonVersion": "3.11",
        "extraPaths": [str(ROOT)],
        "venvPath": str(Path(sys.prefix).parent),
        "venv": Path(sys.prefix).name,
    }
    (folder / "pyrightconfig.json").write_text(json.dumps(config), encoding="utf-8")
    command = [sys.executable, "-m", "pyright", "--outputjson", "-p", str(folder)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    found: dict[int, str] = {}
    for each in json.loads(done.stdout)["generalDiagnostics"]:
        line = each["range"]["start"]["line"] + 1
        found[line] = found.get(line, "") + each["message"]
    return found


def test_every_fault_is_reported_at_its_line(reported: dict[int, str]) -> None:
    lines = enumerate(FAULTS.splitlines(), 1)
    expected = {number: text.split("  # ")[1] for number, text in lines if "  # " in text}
    assert len(expected) > 20
    assert sorted(reported) == sorted(expected)
    for number, says in expected.items():
        assert says in reported[number]


def test_the_types_are_current() -> None:
    script = ROOT / "scripts" / "kinds.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_no_component_imports_them_when_it_runs() -> None:
    names = {path.stem for path in (ROOT / "components").glob("*.py")} - {"__init__", "kinds"}
    modules = ", ".join(f"components.{name}" for name in sorted(names))
    command = [sys.executable, "-c", f"import sys, {modules}; print(*sys.modules)"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    loaded = done.stdout.split()
    assert "components.valkey" in loaded
    assert "components.kinds" not in loaded
