"""The toolkit on the parts of a stack, from inside its cluster, and the scripts of the caching policy."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from shared_stack import FROM_NOTHING, STACK, SharedStack

ROOT = Path(__file__).parents[3]


@pytest.mark.timeout(FROM_NOTHING + 120)
def test_state_and_poll_of_the_parts(shared_stack: SharedStack, tmp_path: Path) -> None:
    out = tmp_path / "result.json"
    for part, kind, nodes in (("redis", "stand-alone", 1), ("valkey", "sentinel", 3)):
        said = shared_stack.fwb("redis", "state", f"{STACK}:{part}", "--out", str(out))
        assert "write-read-delete: OK" in said
        seen = json.loads(out.read_text(encoding="utf-8"))
        assert (seen["target"], seen["deployment"]["kind"], len(seen["nodes"])) == (
            f"{STACK}-{part}",
            kind,
            nodes,
        )
    said = shared_stack.fwb("redis", "poll", f"{STACK}:valkey", "--seconds", "2", "--out", str(out))
    seen = json.loads(out.read_text(encoding="utf-8"))
    assert (seen["errors"], seen["lost_writes"]) == ({}, 0)
    assert seen["requests"] > 800
    assert "errors: none" in said


@pytest.mark.parametrize(
    ("script", "checks"),
    [
        ("redis-caching-policy.sh", "config commands connections memory hit-rate latency"),
        ("test_redis_client.py", "commands connections latency"),
    ],
)
def test_the_scripts_prove_the_policy(shared_stack: SharedStack, script: str, checks: str) -> None:
    words = [str(ROOT / "scripts" / script), "--cwd", str(shared_stack.project)]
    environment = {**os.environ, "STACK": STACK}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False, timeout=280)
    assert done.stdout.splitlines() == [f"redis-{check}: OK" for check in checks.split()], done.stderr
    assert done.returncode == 0
