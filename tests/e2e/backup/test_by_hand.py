"""docs/backup-recovery.md, "By hand, without fwb": each command typed as it stands, in one folder."""

from __future__ import annotations

import gzip
import json
import os
import subprocess
from pathlib import Path
from typing import Any

import pyrage
from backup_page import commands

SANDBOX = b"/*M!999999\\- enable the sandbox mode */ \n"


def test_a_backup_comes_back_without_fwb(job: Any, tmp_path: Path) -> None:
    job.sql("CREATE TABLE files (id INT PRIMARY KEY, name VARCHAR(100), size DOUBLE)")
    job.sql("INSERT INTO files SELECT seq, CONCAT('남는 \\\\ 글 ', seq), seq / 7 FROM seq_1_to_100")
    job.sql("CREATE VIEW seen AS SELECT id FROM files")
    job.back_up()
    [name] = [each for each in job.objects() if each.endswith(".sql.gz")]
    new = f"{job.database}_new"
    folder = tmp_path / "typed"
    folder.mkdir()
    (folder / "aws").symlink_to(Path(__file__).with_name("aws_of_a_folder.sh"))
    environment = {
        **os.environ,
        "PATH": f"{folder}:{os.environ['PATH']}",
        "BUCKETS": str(job.bucket.parent),
        "HOME": str(folder),
    }
    # where a reader has host, user and password
    (folder / ".my.cnf").write_text(f"[client]\nsocket={job.server.socket}\nuser=root\n")

    def typed(line: str) -> str:
        for word, meant in (
            ("BUCKET/", f"{job.bucket.name}/"),
            ("PREFIXNAME", f"stack/{name}"),
            ("NEW_DATABASE", new),
        ):
            line = line.replace(word, meant)
        done = subprocess.run(
            ["bash", "-o", "pipefail", "-c", line],
            cwd=folder,
            env=environment,
            capture_output=True,
            text=True,
        )
        assert (done.returncode, done.stderr) == (0, ""), line
        return done.stdout

    mine = commands("By hand, without fwb")
    assert mine == [line for line in commands() if not line.startswith(("fwb", "kubectl"))]
    fetch, manifest, digest, decrypt, unpack, load, without = mine
    typed(fetch)
    about = json.loads(typed(manifest))
    assert typed(digest).split()[0] == about["sha256"]
    plain = (folder / "backup.sql.gz").read_bytes()

    key = pyrage.x25519.Identity.generate()
    (folder / "KEY_FILE").write_text(str(key))
    (folder / "backup.sql.gz").unlink()
    (folder / "backup.sql.gz.age").write_bytes(pyrage.encrypt(plain, [key.to_public()]))
    typed(decrypt)
    assert (folder / "backup.sql.gz").read_bytes() == plain
    sql = gzip.decompress(plain)
    subprocess.run(["zstd", "-q", "-o", folder / "backup.sql.zst"], input=sql, check=True)
    typed(unpack)
    assert gzip.decompress((folder / "backup.sql.gz").read_bytes()) == sql

    # With the line, and without it as for older clients: the same comes out.
    typed(without)
    other = gzip.decompress((folder / "without.sql.gz").read_bytes())
    assert sql.count(SANDBOX) == 1
    assert other == sql.replace(SANDBOX, b"")
    for file in ("backup.sql.gz", "without.sql.gz"):
        job.server.run(f"CREATE DATABASE {new}")
        assert typed(load.replace("backup.sql.gz", file)) == ""
        checks = job.server.run(f"CHECKSUM TABLE {job.database}.files, {new}.files EXTENDED")
        assert checks[0][1] == checks[1][1] == about["tables"]["files"]["checksum"]
        assert job.server.run("SELECT COUNT(*) FROM seen", database=new) == [(100,)]
        job.server.run(f"DROP DATABASE {new}")
