"""A component that is added by its own files, one field of the settings and one line of the program."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest
from program_run import DEV, PRD, ROOT, Rendered, merged, run_program
from pydantic import Field

import settings
from components import schema
from components.values import Image
from facts import checks as facts
from facts.checks import kinds
from filewallball.checks import __main__ as pod
from filewallball.checks import suites

FILES = {
    "facts/toy.py": """
from dataclasses import dataclass
from typing import ClassVar
from facts.checks import Section

@dataclass(frozen=True, slots=True, kw_only=True)
class ToyTarget(Section):
    SECTION: ClassVar[str] = "toy"
    host: str
    password_file: str
""",
    "suites/toy.py": """
from facts.checks.toy import ToyTarget
from filewallball.checks.runner import Check, Suite

def answers(config):
    return f"{config[ToyTarget].host} at {config[ToyTarget].password_file}"

SUITE = Suite(ToyTarget, (Check("toy-answers", answers, quick=True),))
""",
    "modules/toy_component.py": """
from components.described import (
    Address, Checked, Described, Description, Image, Outputs, Password, Right, SecretFiles,
)
from facts.checks.toy import ToyTarget
from facts.pods import secret_file

class Toy(Described):
    def __init__(self, name, image, opts=None):
        super().__init__("filewallball:index:Toy", name, None, opts)
        self.description = Description(
            image,
            images=(Image("toy.image", image),),
            checked=Checked(
                ToyTarget(host="toy", password_file=secret_file("toy-credentials", "toy-password")),
                access=("toy",),
                rights=(Right("", "pods", ("get", "list")), Right("batch", "cronjobs", ("get",), ("toy",))),
                harmful=(Right("apps", "deployments", ("delete",), ("toy",)),),
                secrets=(SecretFiles("toy", "toy-credentials", ("toy-password",)),),
                files={"toy.conf": "play yes"},
                minutes=7,
            ),
            outputs=Outputs(
                hosts={"toy": Address("toy", 99)},
                passwords={"toy": Password("toy-credentials", "toy-password")},
            ),
        )
        self.register_outputs({})
""",
}


class ToySettings(schema.Model):
    image: Image = Field(default="toys.example.org/toy:1")


class Settings(settings.Settings):
    toy: ToySettings = Field(default=ToySettings())


@pytest.fixture(autouse=True)
def toy(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Any:
    """Its files, where the search for them looks; its field; its line."""
    for name, text in FILES.items():
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(text, encoding="utf-8")
    monkeypatch.setattr(facts, "__path__", [*facts.__path__, str(tmp_path / "facts")])
    monkeypatch.setattr(suites, "__path__", [*suites.__path__, str(tmp_path / "suites")])
    monkeypatch.syspath_prepend(str(tmp_path / "modules"))
    monkeypatch.setattr(settings, "Settings", Settings)
    program = (ROOT / "__main__.py").read_text(encoding="utf-8")
    line = '    __import__("toy_component").Toy("toy", stack.toy.image, in_cluster),\n'
    assert program.count("    *store,\n") == 1
    monkeypatch.setattr("program_run.ROOT", tmp_path)
    (tmp_path / "__main__.py").write_text(program.replace("    *store,\n", f"{line}    *store,\n"), "utf-8")
    yield
    for name in ("toy_component", "facts.checks.toy", "filewallball.checks.suites.toy"):
        sys.modules.pop(name, None)


def checks_of(rendered: Rendered, kind: str) -> dict[str, Any]:
    return rendered.object(kind, facts.NAME).inputs


def test_the_checks_carry_it() -> None:
    rendered = run_program(DEV)
    data = checks_of(rendered, "ConfigMap")["data"]
    assert json.loads(data["checks.json"])["toy"] == {
        "host": "toy",
        "password_file": "/secrets/toy-credentials/toy-password",
    }
    assert data["toy.conf"] == "play yes"
    template = checks_of(rendered, "PodTemplate")["template"]
    assert template["metadata"]["labels"]["filewallball.io/access-toy"] == "true"
    [volume] = [each for each in template["spec"]["volumes"] if each["name"] == "toy"]
    assert volume["secret"]["secretName"] == "toy-credentials"
    assert [item["key"] for item in volume["secret"]["items"]] == ["toy-password"]
    [mount] = [each for each in template["spec"]["containers"][0]["volumeMounts"] if each["name"] == "toy"]
    assert mount["mountPath"] == "/secrets/toy-credentials"
    rules = checks_of(rendered, "Role")["rules"]
    assert [each for each in rules if each["resources"] == ["pods"] and "list" in each["verbs"]] == [
        {"apiGroups": [""], "resources": ["pods"], "verbs": ["get", "list"]}
    ]
    [cronjobs] = [each for each in rules if each["resources"] == ["cronjobs"]]
    assert "toy" in cronjobs["resourceNames"]
    assert any(each["resources"] == ["deployments"] for each in rules)
    job = next(each for each in rendered.objects if each.kind == "Job")
    assert job.inputs["spec"]["activeDeadlineSeconds"] == (10 + 120 + 7) * 60


def test_harm_is_for_disposable_stacks_alone() -> None:
    rules = checks_of(run_program(DEV | {"disposable": False}), "Role")["rules"]
    assert not any(each["resources"] == ["deployments"] for each in rules)


def test_the_checks_run_again_when_it_changes() -> None:
    jobs = {
        each.inputs["metadata"]["name"]
        for tag in ("1", "2")
        for each in run_program(DEV | {"toy": {"image": f"toys.example.org/toy:{tag}"}}).objects
        if each.kind == "Job"
    }
    assert len(jobs) == 2


def test_the_outputs_carry_it() -> None:
    outputs = run_program(DEV).outputs
    assert outputs["hosts"]["toy"] == "toy.filewallball.svc:99"
    assert outputs["versions"]["toy"] == "toys.example.org/toy:1"
    assert "get secret toy-credentials " in outputs["passwords"]["toy"]


def test_production_wants_its_image_by_digest() -> None:
    with pytest.raises(settings.SettingsError) as caught:
        settings.load(PRD, "prd")
    assert [(path, given) for path, given, _ in caught.value.faults] == [
        ("toy.image", "toys.example.org/toy:1")
    ]
    settings.load(merged(PRD, {"toy": {"image": f"toys.example.org/toy:1@sha256:{'0' * 64}"}}), "prd")


def test_its_check_runs_in_the_pod(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = checks_of(run_program(DEV), "ConfigMap")["data"]["checks.json"]
    (tmp_path / "checks.json").write_text(text, encoding="utf-8")
    monkeypatch.setenv(facts.PATH_VARIABLE, str(tmp_path / "checks.json"))
    monkeypatch.setattr(pod, "TERMINATION_LOG", tmp_path / "none")
    monkeypatch.setattr(pod, "wait_admitted", list)
    monkeypatch.setattr(pod.signal, "signal", lambda *_: None)
    assert list(kinds())[-1] == "toy"
    monkeypatch.setattr("filewallball.checks.runner._time_limit", __import__("contextlib").nullcontext)
    assert pod.main(["run", "toy-answers", "--json-lines"]) == 0
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert lines[-1]["observed"] == "toy at /secrets/toy-credentials/toy-password"


@pytest.mark.parametrize("name", ["checks", "stackoutputs", "described"])
def test_what_folds_over_all_components_names_none(name: str) -> None:
    text = (ROOT / "components" / f"{name}.py").read_text(encoding="utf-8").lower()
    for component in ("mariadb", "redis", "valkey", "snapshots", "facts.backup", "components.store"):
        assert component not in text
