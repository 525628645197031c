"""Pulumi.yaml, the models and the documentation say the same."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml
from program_run import DEV, ROOT, merged, run_program
from pydantic import BaseModel

import settings

PROJECT: dict[str, Any] = yaml.safe_load((ROOT / "Pulumi.yaml").read_text())
# What the CLI accepts as types (sdk/go/common/workspace/project.json of pulumi/pulumi; `object` since 3.187).
TYPES = {str: "string", int: "integer", bool: "boolean"}


def test_the_cli_finds_the_interpreter_by_itself() -> None:
    assert PROJECT["name"] == settings.PROJECT
    assert PROJECT["runtime"] == {"name": "python", "options": {"toolchain": "pip", "virtualenv": ".venv"}}


def test_the_project_declares_exactly_the_keys_that_the_models_know() -> None:
    fields = {field.alias: field for field in settings.Settings.model_fields.values()}
    assert set(PROJECT["config"]) == set(fields)


@pytest.mark.parametrize("name", list(settings.Settings.model_fields))
def test_type_default_and_description_agree(name: str) -> None:
    field = settings.Settings.model_fields[name]
    declared = PROJECT["config"][field.alias]
    model = isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel)
    assert declared["type"] == ("object" if model else TYPES.get(field.annotation or str, "string"))
    assert declared["description"] == field.description
    if field.is_required():
        assert "default" not in declared, "the CLI must ask for what has no default"
    else:
        # Without a default the CLI would call every stack that leaves the key out incomplete.
        assert declared["default"] == ({} if model else field.default)


@pytest.mark.parametrize("path", sorted(ROOT.glob("Pulumi.*.yaml")), ids=lambda path: path.name)
def test_stacks_set_only_declared_keys_and_no_secret(path: Path) -> None:
    config = yaml.safe_load(path.read_text(encoding="utf-8"))["config"]
    assert {key.removeprefix("filewallball:") for key in config} <= set(PROJECT["config"])
    assert "secure:" not in path.read_text(encoding="utf-8")


def test_the_configuration_reference_is_current() -> None:
    script = ROOT / "scripts" / "configuration_reference.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_a_stale_reference_is_noticed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.syspath_prepend(str(ROOT / "scripts"))
    import configuration_reference

    (tmp_path / "configuration.md").write_text("old")
    monkeypatch.setattr(configuration_reference, "TARGET", tmp_path / "configuration.md")
    monkeypatch.setattr(configuration_reference, "ROOT", tmp_path)
    monkeypatch.setattr(sys, "argv", ["x", "--check"])
    assert configuration_reference.main() == 1


def test_stacks_of_the_tests_ask_for_little_cpu_everywhere() -> None:
    """Several share the one node of a sandbox. A pod that `fwb check` starts keeps what it asks for."""
    little = yaml.safe_load((ROOT / "tests" / "e2e" / "little_cpu.yaml").read_text())
    asked = {
        (name, container["name"]): container["resources"]["requests"]["cpu"]
        for name, template in run_program(merged(DEV, little)).pod_templates()
        for container in [*template["spec"]["containers"], *template["spec"].get("initContainers", [])]
    }
    assert len(asked) > 8
    more = {container for (_, container), cpu in asked.items() if cpu != "10m"}
    assert more == {"checks"}, asked
