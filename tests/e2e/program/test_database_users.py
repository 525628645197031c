"""A real MariaDB, run by the pod's own scripts on this machine: ready only with all users."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPTS = Path(__file__).parents[3] / "components" / "files" / "mariadb"
PATHS = ("/var/lib/mysql", "/run/mysqld", "/etc/filewallball", "/secrets")
ACCOUNT = pwd.getpwuid(os.getuid()).pw_name
ENVIRONMENT = {
    "PATH": f"{os.environ['PATH']}:/usr/sbin",
    "FWB_BUFFER_POOL_BYTES": "33554432",
    "FWB_MAX_CONNECTIONS": "20",
    "FWB_BINLOG_SECONDS": "604800",
}
USERS = ["filewallball_app", "filewallball_backup", "filewallball_monitor", "mariadb.sys", "mysql", "root"]


class Database:
    """The pod's folders below a folder of the test, and the server that its scripts start there."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.log = root / "log"
        self.client = ["mariadb", "--no-defaults", f"--socket={root}/run/mysqld/mysqld.sock", "-N", "--batch"]
        self.process: subprocess.Popen[bytes] | None = None
        for path in PATHS:
            (root / path.lstrip("/")).mkdir(parents=True)
        for file in SCRIPTS.iterdir():
            text = file.read_text()
            for path in PATHS:
                text = text.replace(path, f"{root}{path}")
            # No port, and the account that runs the tests in place of the image's.
            text = text.replace("[mariadbd]\n", f"[mariadbd]\nskip-networking\nuser = {ACCOUNT}\n")
            (root / "etc/filewallball" / file.name).write_text(text)
        (root / "secrets/mariadb-credentials").mkdir()
        for user in ("app", "backup", "monitor"):
            (root / "secrets/mariadb-credentials" / f"{user}-password").write_text(f"pw of {user}")

    def _script(self, name: str) -> list[str]:
        return ["/bin/sh", str(self.root / "etc/filewallball" / name)]

    def start(self) -> None:
        """Start it, and wait until it takes connections."""
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(self._script("start.sh"), env=ENVIRONMENT, stderr=log, stdout=log)
        deadline = time.monotonic() + 60
        while "ready for connections" not in self.log.read_text():
            assert self.process.poll() is None, self.log.read_text()
            assert time.monotonic() < deadline, self.log.read_text()
            time.sleep(0.05)

    def stop(self) -> None:
        if self.process:
            self.process.terminate()
            self.process.wait(timeout=60)
            self.process = None

    def ready(self) -> tuple[bool, str]:
        """Whether the readiness probe passes, and what it says."""
        done = subprocess.run(
            [*self._script("probe.sh"), "ready"], env=ENVIRONMENT, capture_output=True, text=True, check=False
        )
        return done.returncode == 0, done.stdout

    def sql(self, statement: str) -> list[str]:
        """Run SQL as the account of the tests, which the socket lets in; the rows."""
        done = subprocess.run([*self.client, "-e", statement], capture_output=True, text=True, check=True)
        return done.stdout.splitlines()

    def add_statement(self, statement: str, after: str) -> None:
        users = self.root / "etc/filewallball/users.sql"
        text = users.read_text()
        assert text.count(after) == 1
        users.write_text(text.replace(after, f"{after}\n{statement}"))


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    assert shutil.which("mariadbd", path=ENVIRONMENT["PATH"]), (
        "`make test` installs Debian's mariadb packages"
    )
    # A short name: a socket's path has at most 107 bytes.
    made = Database(tmp_path_factory.mktemp("db"))
    yield made
    made.stop()


def users(database: Database) -> list[str]:
    return database.sql("SELECT User FROM mysql.global_priv ORDER BY User")


def test_a_first_start_and_a_second_are_ready_with_all_users(database: Database) -> None:
    for _ in range(2):
        database.start()
        assert database.ready() == (True, "")
        assert users(database) == USERS
        database.stop()


def test_data_without_a_root_gets_all_users(database: Database) -> None:
    database.start()
    owned = "filewallball_app, filewallball_backup, filewallball_monitor, mysql@localhost, root@localhost"
    database.sql(f"DROP USER {owned}")
    database.stop()
    database.start()
    assert database.ready() == (True, "")
    assert users(database) == USERS
    grants = (
        "SELECT PRIVILEGE_TYPE FROM information_schema.USER_PRIVILEGES WHERE GRANTEE = \"'root'@'localhost'\""
    )
    assert "SUPER" in database.sql(grants)


def test_accounts_of_others_are_gone_at_once(database: Database) -> None:
    database.start()
    database.sql("CREATE USER root@'10.%'; GRANT ALL ON *.* TO root@'10.%'; CREATE USER ''@localhost")
    database.stop()
    database.start()
    assert database.ready() == (True, "")
    assert users(database) == USERS
    shown = subprocess.run(
        [*database.client, "-e", "SHOW GRANTS FOR root@'10.%'"], capture_output=True, text=True, check=False
    )
    assert "There is no such grant defined" in shown.stderr


def test_a_statement_that_fails_keeps_the_server_from_getting_ready(database: Database) -> None:
    database.start()
    assert database.ready() == (True, "")
    database.stop()
    # What was there before still answers: only rights are missing.
    database.add_statement(
        "ALTER USER nobody@localhost IDENTIFIED VIA unix_socket;",
        after="REVOKE ALL PRIVILEGES, GRANT OPTION FROM 'filewallball_app'@'%';",
    )
    database.start()
    ready, said = database.ready()
    assert not ready
    assert "users.sql did not run to its end" in said
    failing = [line for line in database.log.read_text().splitlines() if line.startswith("ERROR:")]
    assert failing == ["ERROR: 1396  Operation ALTER USER failed for 'nobody'@'localhost'"]
