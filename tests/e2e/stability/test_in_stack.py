"""The toolkit on the parts of a stack, from inside its cluster, and the scripts of the caching policy."""

from __future__ import annotations

import json
import os
import subprocess
from pathlib import Path

import pytest
from shared_stack import FROM_NOTHING, STACK, SharedStack

from filewallball.stability import forwarded, servers

LARGE = bytes(range(256)) * 4096
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


@pytest.mark.timeout(FROM_NOTHING + 120)
@pytest.mark.parametrize("part", [pytest.param("redis", marks=pytest.mark.nightly), "valkey"])
def test_keys_of_a_part_come_back(shared_stack: SharedStack, tmp_path: Path, part: str) -> None:
    name, store = f"{STACK}:{part}", ("--store", str(tmp_path))
    with forwarded.target(shared_stack.project, name) as target:
        assert target
        with servers.connect(target.access, target.nodes[0]) as client:
            client.execute_command("SET", "fwb:check:kept", LARGE, "EX", "3600")
        made = shared_stack.fwb("redis", "backup", name, "--rate", "0", *store).splitlines()[-1]
        with servers.connect(target.access, target.nodes[0]) as client:
            client.execute_command("DEL", "fwb:check:kept")
        said = shared_stack.fwb("redis", "restore", name, "--latest", "--match", "fwb:check:kept", *store)
        assert said.splitlines()[-1] == f"restored: {made.removeprefix('backup_id: ')}"
        with servers.connect(target.access, target.nodes[0]) as client:
            assert client.execute_command("GET", "fwb:check:kept") == LARGE
            client.execute_command("DEL", "fwb:check:kept")


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
