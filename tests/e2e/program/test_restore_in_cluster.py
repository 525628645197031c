"""`fwb restore` on a whole stack: the database comes back, and everything else goes on as it was."""

from __future__ import annotations

import base64
import os
import subprocess
from pathlib import Path

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
