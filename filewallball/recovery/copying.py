"""A copy of the running server's data by mariadb-backup, with or without the database that is restored."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

from filewallball.backup.program import client_environment
from filewallball.backup.settings import DatabaseSettings
from filewallball.backup.workdir import WorkDir
from filewallball.encryption import mariadb_words
from filewallball.errors import UserError

_POLL_SECONDS = 1.0
_LOOK_MILLISECONDS = 100
"""How often it looks whether the server has written more. It ends after such a look."""
_OWN = ("backup-my.cnf", "xtrabackup_*", "mariadb_backup_*")
"""What the program leaves beside the data."""
_OLD = (
    "Needed is the program mariadb-backup of the server's own series. Use a toolkit image of this version, "
    "and run the restore again."
)


def copy(
    login: DatabaseSettings, data: Path, target: Path, but: str, work: WorkDir, check: Callable[[], None]
) -> None:
    """Copy the server's `data` to `target`, as of the end.

    Without the tables of the database `but`, if one is named.
    `login`: a user with RELOAD, PROCESS and BINLOG MONITOR. `check` is called each second, and may raise.
    Raises UserError.
    """
    _run(
        [
            "mariadb-backup",
            "--no-defaults",
            "--backup",
            f"--log-copy-interval={_LOOK_MILLISECONDS}",
            f"--datadir={data}",
            f"--target-dir={target}",
            *([f"--databases-exclude={but}"] if but else []),
            "--protocol=tcp",
            f"--host={login.host}",
            f"--port={login.port}",
            f"--user={login.user}",
            f"--password={login.password}",
            *mariadb_words(login.ca_file),
        ],
        work,
        check,
    )
    _run(["mariadb-backup", "--no-defaults", "--prepare", f"--target-dir={target}"], work, check)
    for pattern in _OWN:
        for path in target.glob(pattern):
            path.unlink()
    # What the server's dictionary still has of the database goes with the folder, which DROP DATABASE wants.
    if but:
        shutil.rmtree(target / but, ignore_errors=True)


def _run(command: list[str], work: WorkDir, check: Callable[[], None]) -> None:
    said = work.path / "copy.log"
    try:
        with said.open("wb") as out:
            process = subprocess.Popen(
                command,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=subprocess.STDOUT,
                env=client_environment(work),
            )
    except OSError as error:
        raise UserError(f"The program mariadb-backup does not run here ({error}).", _OLD) from error
    try:
        while process.poll() is None:
            check()
            try:
                process.wait(_POLL_SECONDS)
            except subprocess.TimeoutExpired:
                continue
    finally:
        process.kill()
        process.wait()
    if process.returncode != 0:
        raise UserError(f"Copying the server's data failed: {_complaint(said)}", _OLD)


def _complaint(said: Path) -> str:
    lines = said.read_text(encoding="utf-8", errors="replace").splitlines()
    wrong = [line for line in lines if "rror" in line or "ailed" in line or "FATAL" in line]
    return "\n".join((wrong or lines)[-5:])
