"""`fwb restore` on a whole stack: the database comes back, and everything else goes on as it was."""

from __future__ import annotations

import base64
import os
import re
import shlex
import subprocess
from pathlib import Path

import pytest
from backup_page import PAGES_MOMENT, PAGES_NAME, commands
from cluster_objects import wait_until
from shared_stack import NAMESPACE, SharedStack

SCRIPT = Path(__file__).parents[3] / "scripts" / "restore-database.sh"
MADE = (
    "CREATE TABLE restored (id INT PRIMARY KEY, name TEXT); INSERT INTO restored VALUES (1, '남는 글');"
    "CREATE DATABASE beside; CREATE TABLE beside.kept (id INT); INSERT INTO beside.kept VALUES (7);"
    "CREATE USER somebody IDENTIFIED BY 'x'; GRANT SELECT ON beside.* TO somebody;"
)
GONE = "DROP TABLE restored; DROP DATABASE beside; DROP USER somebody"


def password(stack: SharedStack) -> str:
    secret = stack.kube.get("v1", "Secret", "mariadb-credentials", NAMESPACE)
    assert secret
    return base64.b64decode(secret["data"]["app-password"]).decode()


def test_the_latest_backup_takes_the_place_of_the_database(shared_stack: SharedStack) -> None:
    stack = shared_stack
    stack.sql(MADE)
    assert "backup: OK" in stack.fwb("backup", "now", stack.name)
    stack.sql("UPDATE restored SET name = 'overwritten'; CREATE TABLE later (id INT)")

    refused = stack.run("restore", stack.name, "--latest")
    assert refused.returncode == 2
    assert "Give --yes." in refused.stderr
    said = stack.fwb("restore", stack.name, "--latest", "--yes")

    assert "restore: OK filewallball_backup_" in said
    assert stack.sql("SELECT name FROM restored") == "남는 글"
    assert stack.sql("SHOW TABLES LIKE 'later'") == ""
    assert stack.log_in(password(stack)) == "filewallball_app@%"
    assert stack.sql("SELECT id FROM beside.kept") == "7"
    assert "ON `beside`.*" in stack.sql("SHOW GRANTS FOR somebody")
    assert "FAILED" not in stack.fwb("check", stack.name, "mariadb-transactions", "backup-freshness")
    # The script of requirements: the same command. What the restore has saved is listed, and said to be so.
    environment = {**os.environ, "STACK": stack.name}
    listed = subprocess.run(
        [SCRIPT, "--list", "--cwd", str(stack.project)],
        capture_output=True, text=True, check=True, env=environment, timeout=120,
    )  # fmt: skip
    assert "saved before filewallball_backup_" in listed.stdout
    stack.sql(GONE)


class Typist:
    """Types lines of the page into the stack, with the stack's own names in them."""

    def __init__(self, stack: SharedStack) -> None:
        self.stack = stack
        self.names = {"dev": stack.name, "filewallball": NAMESPACE, "NAME": ""}

    def type(self, line: str) -> str:
        """What it printed; it has to end with 0."""
        program, *words = [self.names.get(word, word) for word in shlex.split(line)]
        if program == "kubectl":
            return self.stack.sandbox.kubectl(*words).stdout
        assert program == "fwb"
        sure = ["--yes"] if words[0] == "restore" and "--list" not in words else []
        return self.stack.fwb(*words, *sure)

    def reach(self, moment: str) -> None:
        """Wait until `--at` gets to the moment, in UTC."""

        def reached() -> bool:
            told = re.findall(r"--at works from .* UTC to (.*) UTC", self.type("fwb restore dev --list"))
            return any(until >= moment for until in told)

        wait_until(reached, f"the log up to {moment}")


@pytest.mark.nightly
def test_every_command_of_the_page(shared_stack: SharedStack) -> None:
    """docs/backup-recovery.md: what needs a stack. tests/e2e/backup/test_by_hand.py types the rest."""
    stack, typist = shared_stack, Typist(shared_stack)
    left = [line for line in commands() if line.startswith(("fwb", "kubectl"))]

    def typed(line: str) -> str:
        left.remove(line)
        return typist.type(line)

    stack.sql(
        "CREATE TABLE files (id INT PRIMARY KEY, name TEXT); INSERT INTO files VALUES (7, 'seven');"
        "CREATE TABLE log (id INT, file INT, FOREIGN KEY (file) REFERENCES files (id));"
        "CREATE TABLE apart (id INT)"
    )
    assert "backup: OK" in typed("fwb backup now dev")
    name = re.findall(r"filewallball_backup_\w+\.sql\.gz", typed("fwb backup list dev"))[0]
    typist.names[PAGES_NAME] = name
    stack.sql("INSERT INTO log VALUES (1, 7)")
    moment = stack.sql("DO SLEEP(1.1); SELECT UTC_TIMESTAMP()")
    typist.names[PAGES_MOMENT] = f"{moment} UTC"
    stack.sql("DO SLEEP(1.1); DELETE FROM log; DELETE FROM files; INSERT INTO apart VALUES (1)")
    assert name in typed("fwb restore dev --list")
    typist.reach(moment)

    # From here on nothing is backed up but by the restores themselves.
    typed("fwb restore dev --latest --into looked_up")
    for line in [line for line in left if " exec " in line]:
        typed(line)
    assert stack.sql("SELECT name FROM files") == "seven"
    assert stack.sql("SHOW DATABASES LIKE 'looked_up'") == ""
    typed("fwb restore dev --latest --into looked_up --tables files,log")
    assert stack.sql("SHOW TABLES FROM looked_up") == "files\nlog"
    stack.sql("DROP DATABASE looked_up")
    typed(f"fwb restore dev --at '{PAGES_MOMENT}' --into looked_up")
    assert stack.sql("SELECT file FROM looked_up.log") == "7"
    stack.sql("DROP DATABASE looked_up; DELETE FROM files")
    typed(f"fwb restore dev --at '{PAGES_MOMENT}' --tables files,log")
    assert stack.sql("SELECT file FROM log; SELECT id FROM apart") == "7\n1"
    typed(f"fwb restore dev --at '{PAGES_MOMENT}'")
    assert stack.sql("SELECT file FROM log; SELECT COUNT(*) FROM apart") == "7\n0"
    stack.sql("DELETE FROM log")
    typed("fwb restore dev --latest --tables files,log")
    assert stack.sql("SELECT file FROM log") == "7"
    typed(f"fwb restore dev -f {PAGES_NAME}")
    assert stack.sql("SELECT COUNT(*) FROM files; SELECT COUNT(*) FROM log") == "1\n0"
    typed("fwb restore dev --latest")
    *aside, restore = list(left)  # the server doesn't start
    for line in aside:
        typed(line)
    assert stack.sql("SHOW TABLES") == ""
    typed(restore)
    assert stack.sql("SELECT COUNT(*) FROM files") == "1"
    assert left == []
    stack.sql("DROP TABLE log, files, apart")
