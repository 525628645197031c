"""docs/redis-maintenance.md, typed as it stands, against a cluster of this machine."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path

from redis import RedisCluster
from redis_lab import Server, config

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "redis-maintenance.md").read_text(encoding="utf-8")
SECONDS = 1
STORE = "--store store"
KEYS = {f"user:{number}": f"value {number}" for number in range(20)}


def commands(step: str) -> list[str]:
    """The lines of a step's blocks, for `local` in place of `dev`."""
    [text] = re.findall(rf"^## {step}.*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line.replace("-dev", "-local") for block in blocks for line in block.splitlines()]


def run(line: str, folder: Path, options: str) -> tuple[int, str]:
    words = f"PATH={ROOT}/.venv/bin:$PATH; cd {ROOT}; {line} OPTIONS='--cwd {folder} {options}'"
    # `make test` has told its own flags, with which another make says more.
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MAKE")}
    done = subprocess.run(
        ["bash", "-c", words], capture_output=True, text=True, timeout=120, check=False, env=environment
    )
    return done.returncode, done.stdout + done.stderr


def measured(step: str, folder: Path, name: str) -> dict[str, Path]:
    """Type the measurements of a step. Their files."""
    found: dict[str, Path] = {}
    for line in commands(step):
        kind = line.removeprefix("make ").partition("-")[0]
        if kind in ("test", "poll"):
            found[kind] = folder / f"{kind}-{name}.json"
            seconds = f"--seconds {SECONDS}" if kind == "poll" else ""
            code, said = run(line, folder, f"--out {found[kind]} {seconds}")
            assert code == 0, said
    assert set(found) == {"test", "poll"}
    return found


def line_of(step: str, target: str) -> str:
    """The step's line for one of make's targets."""
    [found] = [line for line in commands(step) if line.startswith(f"make {target}-local")]
    return found


def values(cluster: list[Server]) -> dict[str, str | None]:
    with RedisCluster("127.0.0.1", cluster[0].port, decode_responses=True, protocol=2) as client:
        return {key: client.get(key) for key in KEYS}


def test_the_four_steps(cluster: list[Server], tmp_path: Path) -> None:
    folder = config(tmp_path, "local", cluster)
    with RedisCluster("127.0.0.1", cluster[0].port, protocol=2) as client:
        for key, value in KEYS.items():
            client.set(key, value)
        before = measured("Step 1", folder, "before")
        code, said = run(line_of("Step 1", "backup"), folder, STORE)
        assert code == 0, said
        name = said.splitlines()[-1].removeprefix("backup_id: ")

        client.set("user:1", "spoilt")
        client.delete("user:2")
        client.set("new", "stays")
        cluster[0].client().config_set("maxmemory", "100mb")
        try:
            after = measured("Step 3", folder, "after")
        finally:
            cluster[0].client().config_set("maxmemory", 0)
        [compare] = [line for line in commands("Step 3") if line.startswith("fwb redis compare")]
        for kind, worse in (("test", "keys without a TTL"), ("poll", "")):
            line = compare.replace("BEFORE", str(before[kind])).replace("AFTER", str(after[kind]))
            _, said = run(f"{line} && true", folder, "")
            assert "compare: " in said
            assert worse in said
            assert ("maxmemory" in said) == (kind == "test")

        code, said = run(line_of("Step 4", "restore-latest"), folder, STORE)
        assert (code, said.splitlines()[-1]) == (0, f"restored: {name}")
        assert values(cluster) == KEYS
        client.delete(*KEYS)
        by_id = re.sub(r'BACKUP_ID="[^"]*"', f'BACKUP_ID="{name}"', line_of("Step 4", "restore-id"))
        code, said = run(by_id, folder, STORE)
        assert (code, said.splitlines()[-1]) == (0, f"restored: {name}")
        assert values(cluster) == KEYS
        assert client.get("new") == b"stays"
        client.delete(*KEYS, "new")


def test_a_restore_by_id_wants_the_id() -> None:
    bare = subprocess.run(["make", "restore-id-local"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert bare.returncode == 2
    assert "Give BACKUP_ID=" in bare.stderr
