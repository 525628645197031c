"""A real MariaDB with encrypted connections alone: its check, a dump, and a renewal under load."""

from __future__ import annotations

import os
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import closing
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pymysql
import pytest
from cryptography import x509
from local_program import binary, free_port, program
from made_certificates import Certificates

from facts import tls
from facts.backup import Variables
from facts.checks.mariadb import MariadbTarget
from facts.checks.tls import TlsTarget
from facts.tls import CA, names_of
from filewallball.backup import logfile
from filewallball.backup.program import login
from filewallball.backup.settings import DatabaseSettings
from filewallball.binlogs.events import FIRST, Kind
from filewallball.binlogs.names import Place
from filewallball.binlogs.server import Server
from filewallball.binlogs.settings import database_from_environment
from filewallball.encryption import mariadb_options
from filewallball.errors import UserError

NAMES = ("localhost", *names_of("mariadb", "filewallball"))
CONF = Path(__file__).parents[3] / "components/files/tls/my.cnf"


@dataclass
class Encrypted:
    target: MariadbTarget
    folder: Path
    certificates: Certificates
    root: Any

    def connect(self) -> Any:
        options = mariadb_options(self.target.ca_file)
        return pymysql.connect(
            host="127.0.0.1", port=self.target.port, user=self.target.monitor_user, password="monitor-secret",
            **options,
        )  # fmt: skip

    def serial(self) -> int:
        with closing(self.connect()) as connection:
            return x509.load_der_x509_certificate(connection._sock.getpeercert(True)).serial_number


@pytest.fixture
def database(tmp_path: Path) -> Iterator[Encrypted]:
    data, server_socket = tmp_path / "data", tmp_path / "socket"
    folder = tmp_path / "mariadb-tls"
    certificates = Certificates()
    certificates.write(folder, "127.0.0.1", dns=NAMES)
    # The very lines of the product, with the files of this test.
    (tmp_path / "my.cnf").write_text(CONF.read_text().replace("/tls/mariadb", str(folder)))
    subprocess.run(
        [binary("mariadb-install-db"), "--no-defaults", f"--datadir={data}", "--user=root", "--skip-test-db"],
        check=True,
        capture_output=True,
        env={**os.environ, "TMPDIR": str(tmp_path)},
    )
    for name in ("app", "monitor"):
        (tmp_path / name).write_text(f"{name}-secret")

    def connect() -> Any:
        return pymysql.connect(unix_socket=str(server_socket), user="root", autocommit=True)

    port = free_port()
    arguments = [
        binary("mariadbd"), f"--defaults-file={tmp_path}/my.cnf", "--user=root", f"--datadir={data}",
        f"--tmpdir={tmp_path}", f"--socket={server_socket}", f"--port={port}", "--bind-address=127.0.0.1",
        "--innodb-buffer-pool-size=16M", "--innodb-log-file-size=8M", f"--pid-file={tmp_path}/pid",
        "--skip-name-resolve", "--log-bin=bin",
    ]  # fmt: skip
    with program(arguments, tmp_path, lambda: connect().close()):
        target = MariadbTarget(
            host="127.0.0.1", port=port, application_port=port, database="filewallball_db",
            app_user="filewallball_app", app_password_file=str(tmp_path / "app"),
            monitor_user="filewallball_monitor", monitor_password_file=str(tmp_path / "monitor"),
            ca_file=str(folder / CA),
        )  # fmt: skip
        with closing(connect()) as root, root.cursor() as cursor:
            for statement in (
                "CREATE DATABASE filewallball_db",
                "CREATE USER filewallball_monitor IDENTIFIED BY 'monitor-secret'",
                "GRANT ALL ON *.* TO filewallball_monitor",
            ):
                cursor.execute(statement)
            yield Encrypted(target, folder, certificates, root)


def test_the_check_sees_a_good_server_and_one_that_takes_plain_connections(
    database: Encrypted, check: Callable[..., Any], tmp_path: Path
) -> None:
    encrypted = TlsTarget(ca_file=str(database.folder / CA), names=("mariadb=mariadb",))
    good = check("mariadb-tls", mariadb=database.target, tls=encrypted)
    assert (good.status, good.hint) == ("ok", ""), good.observed
    stranger = tmp_path / "stranger"
    Certificates().write(stranger, "127.0.0.1")
    other = check("mariadb-tls", mariadb=replace(database.target, ca_file=str(stranger / CA)), tls=encrypted)
    assert other.status == "failed"
    assert "certificate verify failed" in other.observed
    with database.root.cursor() as cursor:
        cursor.execute("SET GLOBAL require_secure_transport = OFF")
    plain = check("mariadb-tls", mariadb=database.target, tls=encrypted)
    assert plain.status == "failed"
    assert "aren't encrypted" in plain.observed


def test_a_dump_and_the_binary_log_go_encrypted_and_to_nobody_else(
    database: Encrypted, tmp_path: Path
) -> None:
    target = database.target
    settings = DatabaseSettings(
        "localhost", target.port, target.database, target.monitor_user, "monitor-secret", target.ca_file
    )

    def dump(of: DatabaseSettings, *more: str) -> subprocess.CompletedProcess[str]:
        command = [*login("mariadb-dump", of), *more, of.name]
        environment = {"MYSQL_PWD": of.password, "PATH": "/usr/bin"}
        return subprocess.run(command, capture_output=True, text=True, check=False, env=environment)

    done = dump(settings)
    assert done.returncode == 0, done.stderr
    stranger = tmp_path / "stranger"
    Certificates().write(stranger, "127.0.0.1")
    assert "certificate" in dump(replace(settings, ca_file=str(stranger / CA))).stderr.lower()
    assert dump(replace(settings, ca_file=None), "--skip-ssl").returncode != 0

    # The shipper of the log, told as its pod is.
    (tmp_path / "password").write_text("monitor-secret")
    told = {
        Variables.HOST: settings.host,
        Variables.PORT: str(settings.port),
        Variables.DATABASE: settings.name,
        Variables.USER: settings.user,
        Variables.PASSWORD_FILE: str(tmp_path / "password"),
        tls.Variables.CA_FILE: str(settings.ca_file),
    }
    with closing(Server(lambda: database_from_environment(told))) as server:
        with database.root.cursor() as cursor:
            cursor.execute("CREATE TABLE filewallball_db.t (v LONGTEXT)")
            cursor.execute("INSERT INTO filewallball_db.t VALUES (REPEAT('x', 1000000))")
        end = server.look().place
        with closing(server.follow(Place(end.file, FIRST))) as feed:
            kinds = [feed.read()[1].kind for _ in iter(lambda: feed.place < end, False)]
        assert {Kind.FORMAT, Kind.GTID, Kind.XID} <= set(kinds)
        assert feed.file
        assert logfile.newest(settings) == (end.file, feed.file.created)
    told[tls.Variables.CA_FILE] = str(stranger / CA)
    with (
        closing(Server(lambda: database_from_environment(told))) as server,
        pytest.raises(UserError, match="certificate verify failed"),
    ):
        server.look()


def test_a_renewed_certificate_is_loaded_while_clients_go_on(database: Encrypted) -> None:
    before = database.serial()
    lasting = database.connect()
    over, failures, logins = threading.Event(), list[Exception](), list[int]()

    def log_in() -> None:
        while not over.is_set():
            try:
                logins.append(database.serial())
            except Exception as error:  # noqa: BLE001 - told by the test
                failures.append(error)
                return

    threads = [threading.Thread(target=log_in) for _ in range(3)]
    for thread in threads:
        thread.start()
    try:
        renewed = database.certificates.write(database.folder, "127.0.0.1", dns=NAMES)
        with database.root.cursor() as cursor:
            cursor.execute("FLUSH LOCAL SSL")
        while renewed not in logins and not failures:
            over.wait(0.01)
    finally:
        over.set()
        for thread in threads:
            thread.join()
    assert failures == []
    assert set(logins) <= {before, renewed}
    with lasting.cursor() as cursor:
        cursor.execute("SELECT 1")
    lasting.close()
