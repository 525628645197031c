"""New passwords for a real MariaDB while clients log in all the time: nobody is refused."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from datetime import timedelta

import pytest
from changing_passwords import Clients, World, mariadb_login
from mariadb_pod import ACCOUNT, Database

from facts.mariadb import PORT, USERS, user
from filewallball.passwords.change import Change
from filewallball.passwords.servers import SERVERS

MARIADB = SERVERS["mariadb"]


@pytest.fixture
def database(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Database]:
    made = Database(tmp_path_factory.mktemp("db"))
    script = made.root / "etc/filewallball/passwords.sh"
    script.write_text(script.read_text().replace("--user=mysql", f"--user={ACCOUNT}"))
    yield made
    made.stop()


def test_no_client_is_refused_while_passwords_change(database: Database) -> None:
    folder = database.root / "secrets/mariadb-credentials"
    first = {short: f"{short} p'a\"s\\s w#rd $(x)" for short in USERS}
    restarted: list[bool] = []

    def restart() -> None:
        """In the overlap: what makes the users at the start knows both passwords."""
        database.stop()
        database.start()
        restarted.append(
            all(mariadb_login(database.host, PORT, user("app"))(first["app"]) is None for _ in "1")
        )
        clients.restart()

    world = World(MARIADB, first, [folder], {"mariadb": database.host}, restart)
    database.start()
    assert database.ready() == (True, "")
    logins = {short: mariadb_login(database.host, PORT, user(short)) for short in ("app", "backup")}
    with Clients(folder, logins) as clients:
        Change(world, [MARIADB], world.say, "dev").rotate(timedelta(seconds=3))
    assert clients.refused == []
    assert clients.entered > 50
    assert restarted == [True]
    now = world.read(MARIADB)
    assert not now.other
    assert not set(now.current.values()) & set(first.values())
    assert database.ready() == (True, ""), "the probe logs in with the new one"
    assert not [text for text in (*now.current.values(), *first.values()) if text in database.binary_log()]


def test_the_ordinary_client_gets_in_with_either(database: Database) -> None:
    world = World(
        MARIADB, {short: f"old {short}" for short in USERS}, [database.root / "secrets/mariadb-credentials"],
        {"mariadb": database.host},
    )  # fmt: skip
    database.start()
    now = world.read(MARIADB)
    both = world.write(MARIADB, now, now.added(world.now()))
    login = [
        "mariadb",
        "--no-defaults",
        f"--host={database.host}",
        f"--port={PORT}",
        "--user=filewallball_app",
    ]

    def enters(password: str) -> bool:
        command = [*login, f"--password={password}", "-e", "SELECT 1"]
        return subprocess.run(command, capture_output=True, check=False).returncode == 0

    from filewallball.passwords import servers

    world.prove(servers.both(MARIADB, {}, both))
    assert [enters(one) for one in (both.current["app"], both.other["app"], "wrong")] == [True, True, False]
