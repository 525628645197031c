"""Our own stacks pass every rule of the pack."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from policy import judging
from policy.rules import RULES

ROOT = Path(__file__).parents[3]


def judged(rendered: Any, **more: Any) -> dict[str, Any]:
    return judging.judge(
        [
            {
                "urn": each.urn,
                "type": each.type,
                "name": each.name,
                "props": each.inputs,
                "protect": each.protect,
                "needs": {"": list(each.depends_on)},
            }
            for each in rendered.resources
        ],
        **more,
    )


@pytest.mark.parametrize("stack", ["dev", "prd"])
def test_our_own_stacks_violate_nothing(stack: str, request: pytest.FixtureRequest) -> None:
    outcome = judged(request.getfixturevalue(stack), protected=stack == "prd")
    assert [each["message"] for each in outcome["violations"]] == []
    assert outcome["remedied"] == []
    assert outcome["rules"] == len(RULES)


def test_the_reference_is_current() -> None:
    script = ROOT / "scripts" / "policy_reference.py"
    done = subprocess.run([sys.executable, script, "--check"], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
