"""The scripts that start the servers, run by this machine's shell with the servers' programs replaced.

A program's stand-in records how it was called; paths of the pod are moved below a folder of the test.
"""

from __future__ import annotations

import hashlib
import os
import subprocess
from pathlib import Path

import pytest
from program_run import ROOT

from components.kube import files

FILES = ROOT / "components" / "files"
PATHS = ("/var/lib/mysql", "/var/lib/store", "/run/mysqld", "/run/redis", "/etc/filewallball", "/secrets")
STANDINS = {
    "mariadbd": """
        case "$*" in
            *--version*) echo "mariadbd  Ver 10.11.6-MariaDB for debian" ;;
            *--skip-networking*)
                for a; do case $a in --socket=*) listen "${a#--socket=}" ;; esac; done
                trap 'exit 0' TERM; while :; do sleep 0.05; done ;;
            *) echo "server $* open files $(ulimit -S -n)" >>"$CALLS" ;;
        esac""",
    "mariadb-install-db": """
        for a; do case $a in --datadir=*) mkdir -p "${a#--datadir=}/mysql" ;; esac; done
        echo "install $*" >>"$CALLS"
        [ -z "${FAIL_INSTALL:-}" ] || exit 1""",
    "listen": "exec python3 -c 'import socket, sys; socket.socket(socket.AF_UNIX).bind(sys.argv[1])' \"$1\"",
    "mariadb-upgrade": 'echo "upgrade $*" >>"$CALLS"; [ -z "${FAIL_UPGRADE:-}" ]',
    "mariadb-tzinfo-to-sql": """
        for zone in ${ZONES:-}; do echo "INSERT INTO time_zone_name ('$zone')"; done""",
    "mariadb": 'echo "client $*" >>"$CALLS"; echo "${ANSWER:-}"',
    "redis-server": 'echo "server $* open files $(ulimit -S -n)" >>"$CALLS"',
    "versitygw": 'echo "server $*" >>"$CALLS"; env | grep ^ROOT_ >>"$CALLS"',
}


class Pod:
    """A folder with what a pod has, and a way to start its server in it."""

    def __init__(self, root: Path, kind: str) -> None:
        self.root, self.kind, self.calls = root, kind, root / "calls"
        for path in PATHS:
            (root / path.lstrip("/")).mkdir(parents=True)
        (root / "bin").mkdir()
        for name, body in STANDINS.items():
            (root / "bin" / name).write_text(f"#!/bin/sh\n{body}\n")
            (root / "bin" / name).chmod(0o755)
        for file in (FILES / kind).iterdir():
            text = (
                file.read_text().replace("${maxclients}", "1100").replace("while sleep 2", "while sleep 0.02")
            )
            for path in PATHS:
                text = text.replace(path, f"{root}{path}")
            (root / "etc/filewallball" / file.name).write_text(text)
        self.volume = root / "var/lib/mysql"

    def secret(self, name: str, **values: str) -> None:
        folder = self.root / "secrets" / name
        folder.mkdir()
        for key, value in values.items():
            (folder / f"{key}-password").write_text(value)

    def start(self, **environment: str) -> subprocess.CompletedProcess[str]:
        return self.run("start.sh", **environment)

    def run(
        self, script: str, *arguments: str, open_files: str = "", **environment: str
    ) -> subprocess.CompletedProcess[str]:
        """`open_files`: options and number of an `ulimit` that holds for the script."""
        self.calls.write_text("")
        limit = f"ulimit {open_files} && " if open_files else ""
        return subprocess.run(
            [
                "/bin/sh",
                "-c",
                f'{limit}exec /bin/sh "$@"',
                "-",
                self.root / "etc/filewallball" / script,
                *arguments,
            ],
            env={
                "PATH": f"{self.root}/bin:{os.environ['PATH']}",
                "CALLS": str(self.calls),
                "FWB_BUFFER_POOL_BYTES": "134217728",
                "FWB_MAX_CONNECTIONS": "100",
                "FWB_RESERVED_CONNECTIONS": "32",
                "FWB_BINLOG_SECONDS": "604800",
                **environment,
            },
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    @property
    def called(self) -> list[str]:
        return [line.split()[0] for line in self.calls.read_text().splitlines()]


@pytest.fixture
def mariadb(tmp_path: Path) -> Pod:
    pod = Pod(tmp_path, "mariadb")
    pod.secret("mariadb-credentials", app="app-pw", backup="backup-pw", monitor="monitor-pw")
    return pod


@pytest.fixture
def redis(tmp_path: Path) -> Pod:
    pod = Pod(tmp_path, "redis")
    pod.secret("redis-credentials", app="app-pw", checks="checks-pw")
    return pod


def test_an_empty_volume_gets_a_data_folder_and_the_server_starts(mariadb: Pod) -> None:
    assert mariadb.start().returncode == 0
    assert mariadb.called == ["install", "server"]
    assert "--skip-test-db" in mariadb.calls.read_text()
    assert (mariadb.volume / "data/mysql").is_dir()
    assert (mariadb.volume / "server-version").read_text().strip() == "10.11.6"


def test_a_second_start_only_starts(mariadb: Pod) -> None:
    mariadb.start()
    (mariadb.volume / "data/row").write_text("kept")
    assert mariadb.start().returncode == 0
    assert mariadb.called == ["server"]
    assert (mariadb.volume / "data/row").read_text() == "kept"


def test_a_first_start_that_was_killed_half_way_begins_again(mariadb: Pod) -> None:
    assert mariadb.start(FAIL_INSTALL="yes").returncode == 1
    assert not (mariadb.volume / "data").exists()
    (mariadb.volume / "data.new/rest").write_text("of the first try")
    assert mariadb.start().returncode == 0
    assert not (mariadb.volume / "data/rest").exists()


def test_killed_between_the_data_and_its_version_the_next_start_upgrades(mariadb: Pod) -> None:
    mariadb.start()
    (mariadb.volume / "server-version").unlink()
    assert mariadb.start().returncode == 0
    assert mariadb.called[-1] == "server"
    assert "upgrade" in mariadb.called


def test_a_newer_server_runs_its_own_upgrade_before_it_serves(mariadb: Pod) -> None:
    mariadb.start()
    (mariadb.volume / "server-version").write_text("10.11.2\n")
    assert mariadb.start().returncode == 0
    assert mariadb.called.index("upgrade") < mariadb.called.index("server")
    assert (mariadb.volume / "server-version").read_text().strip() == "10.11.6"


def test_a_failed_upgrade_does_not_serve_and_is_tried_again(mariadb: Pod) -> None:
    mariadb.start()
    (mariadb.volume / "server-version").write_text("10.11.2\n")
    done = mariadb.start(FAIL_UPGRADE="yes")
    assert done.returncode == 1
    assert "mariadb-upgrade failed" in done.stderr
    assert "server" not in mariadb.called
    assert (mariadb.volume / "server-version").read_text() == "10.11.2\n"
    assert mariadb.start().returncode == 0


@pytest.mark.parametrize("version", ["11.4.2", "10.12.1", "10.100.1"])
def test_an_older_series_refuses_newer_data(mariadb: Pod, version: str) -> None:
    mariadb.start()
    (mariadb.volume / "server-version").write_text(version)
    done = mariadb.start()
    assert done.returncode == 1
    assert f"the data was written by MariaDB {version} and this is the older 10.11.6" in done.stderr
    assert "upgrade" not in mariadb.called


def test_data_in_the_root_of_the_volume_is_left_alone(mariadb: Pod) -> None:
    (mariadb.volume / "mysql").mkdir()
    done = mariadb.start()
    assert done.returncode == 1
    assert "another layout; move all of its files into a folder named 'data'" in done.stderr
    assert mariadb.called == []


def test_a_data_folder_without_system_tables_is_left_alone(mariadb: Pod) -> None:
    (mariadb.volume / "data").mkdir()
    (mariadb.volume / "data/ibdata1").write_text("something")
    done = mariadb.start()
    assert done.returncode == 1
    assert "lacks the system tables" in done.stderr
    assert (mariadb.volume / "data/ibdata1").exists()


def test_passwords_reach_the_server_as_they_are(tmp_path: Path) -> None:
    pod = Pod(tmp_path, "mariadb")
    pod.secret("mariadb-credentials", app="o'clock", backup="back\\slash", monitor='dou"ble\\')
    assert pod.start().returncode == 0
    statements = (pod.root / "run/mysqld/init.sql").read_text().splitlines()
    # MariaDB reads '' as a quote and \\ as a backslash.
    assert statements[:4] == [
        "SET SESSION sql_log_bin = 0;",
        "SET @app_password = 'o''clock';",
        "SET @backup_password = 'back\\\\slash';",
        "SET @monitor_password = 'dou\"ble\\\\';",
    ]
    assert 'password="dou\\"ble\\\\"' in (pod.root / "run/mysqld/probe-password.cnf").read_text()
    assert "!include" in (pod.root / "run/mysqld/probe.cnf").read_text()
    for name in ("init.sql", "probe.cnf"):
        assert (pod.root / "run/mysqld" / name).stat().st_mode & 0o077 == 0


def test_time_zones_are_loaded_when_they_changed_and_only_then(mariadb: Pod) -> None:
    alone = ["client", "client", "server"]
    assert mariadb.start(ZONES="A B").returncode == 0
    assert mariadb.called[0] == "install"
    assert mariadb.called[-3:] == alone
    assert mariadb.start(ZONES="A B").returncode == 0
    assert mariadb.called == ["server"]
    assert mariadb.start(ZONES="A C").returncode == 0
    assert mariadb.called == alone
    done = mariadb.start()
    assert mariadb.called == ["server"]
    assert "this image has no time-zone data" in done.stderr


def test_a_missing_password_stops_the_start_and_names_the_file(tmp_path: Path) -> None:
    pod = Pod(tmp_path, "mariadb")
    pod.secret("mariadb-credentials", app="a", backup="", monitor="c")
    done = pod.start()
    assert done.returncode == 1
    assert "backup-password is missing or empty" in done.stderr
    assert "server" not in pod.called


REFUSED = "ERROR 1045 (28000): Access denied for user 'filewallball_monitor'@'localhost'"
STARTING = "ERROR 2002 (HY000): Can't connect to local server through socket"
BUSY = "ERROR 1040 (08004): Too many connections"
BUSY_OVER_TLS = (
    "ERROR 2002 (HY000): Received error packet before completion of TLS handshake. The authenticity of the"
    " following error cannot be verified: 1040 - Too many connections"
)
CUT_SHORT = "users.sql did not run to its end"


@pytest.mark.parametrize(
    ("probe", "answer", "users_set", "said"),
    [
        ("ready", "1", True, None),
        ("ready", "1", False, CUT_SHORT),
        ("ready", REFUSED, False, CUT_SHORT),
        ("ready", REFUSED, True, REFUSED),
        ("ready", STARTING, False, STARTING),
        ("ready", BUSY, True, None),
        ("ready", BUSY, False, CUT_SHORT),
        ("alive", "1", False, None),
        ("alive", BUSY, True, None),
        ("alive", BUSY_OVER_TLS, True, None),
        ("ready", BUSY_OVER_TLS, True, None),
        ("alive", STARTING, True, STARTING),
    ],
)
def test_the_probe_wants_an_answer_and_all_users(
    mariadb: Pod, probe: str, answer: str, users_set: bool, said: str | None
) -> None:
    if users_set:
        (mariadb.root / "run/mysqld/users-set").touch()
    done = mariadb.run("probe.sh", probe, ANSWER=answer)
    assert done.returncode == (1 if said else 0)
    assert done.stdout.startswith(said) if said else not done.stdout


def test_the_mark_of_an_earlier_start_does_not_count(mariadb: Pod) -> None:
    (mariadb.root / "run/mysqld/users-set").touch()
    mariadb.start()
    assert not (mariadb.root / "run/mysqld/users-set").exists()


def test_the_last_statement_of_the_init_file_leaves_the_mark(mariadb: Pod) -> None:
    mariadb.start()
    last = (mariadb.root / "run/mysqld/init.sql").read_text().splitlines()[-1]
    assert last == f"SELECT 1 INTO OUTFILE '{mariadb.root}/run/mysqld/users-set';"


def test_every_statement_of_the_init_file_stands_on_one_line() -> None:
    for line in (FILES / "mariadb/users.sql").read_text().splitlines():
        assert not line or line.startswith("--") or line.endswith(";"), line


def test_redis_gets_its_users_with_hashed_passwords(redis: Pod) -> None:
    assert redis.start(FWB_REDIS_DISPOSABLE="false").returncode == 0
    users = (redis.root / "run/redis/users.acl").read_text()
    assert f"user app on #{hashlib.sha256(b'app-pw').hexdigest()} " in users
    assert f"user checks on #{hashlib.sha256(b'checks-pw').hexdigest()} " in users
    assert "user default off" in users
    assert "-pw" not in users
    assert [line.split()[1] for line in users.splitlines() if "config|set" in line] == ["guard"]
    assert (redis.root / "run/redis/users.acl").stat().st_mode & 0o077 == 0
    assert redis.called == ["server"]


def test_redis_accepts_both_passwords_while_they_change(redis: Pod) -> None:
    (redis.root / "secrets/redis-credentials/app-password-other").write_text("app-new")
    assert redis.start().returncode == 0
    old, new = (hashlib.sha256(text).hexdigest() for text in (b"app-pw", b"app-new"))
    assert f"user app on #{old} #{new} ~*" in (redis.root / "run/redis/users.acl").read_text()


def test_mariadb_accepts_both_passwords_while_they_change(mariadb: Pod) -> None:
    (mariadb.root / "secrets/mariadb-credentials/app-password-other").write_text("app's new")
    assert mariadb.start().returncode == 0
    told = (mariadb.root / "run/mysqld/init.sql").read_text()
    assert "SET @app_password = 'app-pw';\nSET @app_other = 'app''s new';\n" in told
    assert "@backup_other =" not in told


@pytest.mark.parametrize("file", ["app-password", "monitor-password", "backup-password-other"])
def test_a_change_of_any_password_is_seen(mariadb: Pod, file: str) -> None:
    """By what runs beside the server; under `set -e`, as in start.sh."""
    folder = mariadb.root / "secrets/mariadb-credentials"
    script = f". {mariadb.root}/etc/filewallball/passwords.sh; contents {folder}"

    def seen() -> str:
        done = subprocess.run(["/bin/sh", "-euc", script], capture_output=True, text=True, check=True)
        return done.stdout

    before = seen()
    (folder / file).write_text("another")
    assert seen() != before


def test_only_on_a_disposable_stack_may_the_checks_change_redis(redis: Pod) -> None:
    redis.start(FWB_REDIS_DISPOSABLE="true")
    lines = (redis.root / "run/redis/users.acl").read_text().splitlines()
    assert [line.split()[1] for line in lines if "+config|set" in line] == ["checks", "guard"]


def test_the_guards_password_is_another_one_at_each_start(redis: Pod) -> None:
    seen: set[str] = set()
    for _ in range(2):
        assert redis.start().returncode == 0
        path = redis.root / "run/redis/guard-password"
        assert path.stat().st_mode & 0o077 == 0
        seen.add(path.read_text())
        users = (redis.root / "run/redis/users.acl").read_text()
        assert f"user guard on #{hashlib.sha256(path.read_bytes()).hexdigest()} resetkeys" in users
    assert len(seen) == 2
    assert min(map(len, seen)) == 48


@pytest.mark.parametrize("kind", ["redis", "mariadb"])
def test_too_few_open_files_for_the_connections_stop_the_start(
    kind: str, request: pytest.FixtureRequest
) -> None:
    """The servers would go on with fewer connections, and tell it only in their logs."""
    pod: Pod = request.getfixturevalue(kind)
    done = pod.run("start.sh", open_files="-n 1131")
    assert done.returncode == 1
    assert (
        f"filewallball:{kind}.maxConnections and filewallball:{kind}.reservedConnections need 1132"
        in done.stderr
    )
    assert "may have 1131" in done.stderr
    assert pod.called == []


@pytest.mark.parametrize("kind", ["redis", "mariadb"])
def test_a_low_limit_of_open_files_is_raised(kind: str, request: pytest.FixtureRequest) -> None:
    pod: Pod = request.getfixturevalue(kind)
    assert pod.run("start.sh", open_files="-S -n 256").returncode == 0
    assert pod.called[-1] == "server"
    assert "open files 1132" in pod.calls.read_text()


def test_redis_does_not_start_without_a_password(tmp_path: Path) -> None:
    pod = Pod(tmp_path, "redis")
    pod.secret("redis-credentials", app="")
    done = pod.start()
    assert done.returncode == 1
    assert "app-password is missing or empty" in done.stderr
    assert pod.called == []


@pytest.mark.parametrize("end", ["", "\n"])
def test_the_store_makes_its_bucket(tmp_path: Path, end: str) -> None:
    pod = Pod(tmp_path, "store")
    keys = tmp_path / "secrets" / "store-credentials"
    keys.mkdir()
    (keys / "access-key").write_text(f"some-key{end}")
    for _ in range(2):
        (keys / "secret-key").write_text("")
        refused = pod.start(FWB_BUCKET="some-bucket", FWB_REGION="us-east-1")
        assert refused.returncode == 1
        assert "secret-key is missing or empty" in refused.stderr
        (keys / "secret-key").write_text(f" a=b\\c {end}")
        assert pod.start(FWB_BUCKET="some-bucket", FWB_REGION="us-east-1").returncode == 0
        assert (tmp_path / "var/lib/store/buckets/some-bucket").is_dir()
        lines = pod.calls.read_text().splitlines()
        assert "ROOT_ACCESS_KEY_ID=some-key" in lines
        assert "ROOT_SECRET_ACCESS_KEY= a=b\\c " in lines


SCRIPTS = sorted(FILES.rglob("*.sh"))


@pytest.mark.parametrize("script", SCRIPTS, ids=[f"{path.parent.name}/{path.name}" for path in SCRIPTS])
def test_scripts_reach_the_pod_as_they_are(script: Path) -> None:
    """Settings are put in by string.Template, for which two $ are one."""
    assert files(script.parent.name)[script.name] == script.read_text(encoding="utf-8")


@pytest.mark.parametrize("script", SCRIPTS, ids=[f"{path.parent.name}/{path.name}" for path in SCRIPTS])
def test_scripts_are_read_by_a_plain_shell(script: Path) -> None:
    subprocess.run(["/bin/sh", "-n", script], check=True)
