"""The policy pack as the real Pulumi CLI runs it: `--policy-pack policy`."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from real_engine import FAILS, RealStack
from shared_sandbox import Sandbox

PACK = str(Path(__file__).parents[3] / "policy")
RULE = "image-registry"

pytestmark = [pytest.mark.nightly, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def judged(sandbox: Sandbox, engine: Path, tmp_path_factory: pytest.TempPathFactory) -> RealStack:
    """A stack that is never deployed."""
    made = RealStack(
        tmp_path_factory.mktemp("project"), "judged", sandbox, tmp_path_factory.mktemp("pulumi"), engine
    )
    made.write()
    made.init()
    (made.project / "policy").symlink_to(PACK)
    return made


@pytest.fixture(scope="module")
def strict(tmp_path_factory: pytest.TempPathFactory) -> str:
    """A configuration of the pack that no stack of ours meets."""
    file = tmp_path_factory.mktemp("pack") / "config.json"
    rule = {"enforcementLevel": "mandatory", "registries": ["registry.example.org"]}
    file.write_text(json.dumps({RULE: rule}), encoding="utf-8")
    return str(file)


def under(config: str) -> list[str]:
    return ["--policy-pack", PACK, "--policy-pack-config", config]


def test_the_stack_passes(judged: RealStack) -> None:
    said = judged.pulumi("preview", "--policy-pack", PACK)
    assert "filewallball@v1.0.0 (local: " in said
    assert RULE not in said


def test_a_mandatory_rule_that_is_violated_stops_an_up_before_it_makes_anything(
    judged: RealStack, strict: str
) -> None:
    said = judged.pulumi("up", "--yes", *under(strict), exit_code=FAILS)
    assert "[mandatory]" in said
    assert RULE in said
    assert "from a registry that isn't allowed" in said
    assert "redis" in said
    assert judged.sandbox.kube.get("v1", "Namespace", judged.name) is None
    assert judged.resources() == []


def test_the_cli_and_fwb_find_the_same(judged: RealStack, strict: str) -> None:
    said = judged.pulumi("preview", *under(strict), exit_code=FAILS)
    found = json.loads(judged.fwb("policy", judged.name, "--config", strict, "--json", exit_code=1))
    messages = [each["message"] for each in found["violations"] if each["rule"] == RULE]
    assert len(messages) > 5
    for message in messages:
        assert message in said
    assert said.count("[mandatory]") == len(messages)
