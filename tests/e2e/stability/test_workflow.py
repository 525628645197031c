"""docs/redis-maintenance.md, typed as it stands, against a cluster of this machine."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from redis_lab import Server, config

ROOT = Path(__file__).parents[3]
PAGE = (ROOT / "docs" / "redis-maintenance.md").read_text(encoding="utf-8")
SECONDS = 3


def commands(step: str) -> list[str]:
    """The lines of a step's blocks, for `local` in place of `dev`."""
    [text] = re.findall(rf"^## {step}.*?\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    return [line.replace("-dev", "-local") for block in blocks for line in block.splitlines()]


def run(line: str, folder: Path, options: str) -> tuple[int, str]:
    words = f"PATH={ROOT}/.venv/bin:$PATH; cd {ROOT}; {line} OPTIONS='--cwd {folder} {options}'"
    done = subprocess.run(["bash", "-c", words], capture_output=True, text=True, timeout=120, check=False)
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


def test_the_four_steps(cluster: list[Server], tmp_path: Path) -> None:
    folder = config(tmp_path, "local", cluster)
    before = measured("Step 1", folder, "before")
    cluster[0].client().config_set("maxmemory", "100mb")
    try:
        after = measured("Step 3", folder, "after")
    finally:
        cluster[0].client().config_set("maxmemory", 0)
    [compare] = [line for line in commands("Step 3") if line.startswith("fwb redis compare")]
    for kind in ("test", "poll"):
        line = compare.replace("BEFORE", str(before[kind])).replace("AFTER", str(after[kind]))
        _, said = run(f"{line} && true", folder, "")
        assert "compare: " in said
        assert ("maxmemory" in said) == (kind == "test")


def test_backups_and_restores_are_thin_calls() -> None:
    lines = [
        line
        for step in ("Step 1", "Step 4")
        for line in commands(step)
        if "backup" in line or "restore" in line
    ]
    assert len(lines) == 3
    printed = [
        subprocess.run(
            ["bash", "-c", f"cd {ROOT}; {line.replace('make', 'make -n', 1)}"], capture_output=True, text=True
        )
        for line in lines
    ]
    said = "\n".join(each.stdout for each in printed)
    for words in ("backup local", "restore local --latest", 'restore local --id "redis-backup-dev-'):
        assert f"fwb redis {words}".replace("backup-dev", "backup-local") in said
    bare = subprocess.run(["make", "restore-id-local"], cwd=ROOT, capture_output=True, text=True, check=False)
    assert bare.returncode == 2
    assert "Give BACKUP_ID=" in bare.stderr
