"""The application with a whole session set: its primary dies under requests, and nobody is logged out."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
import valkey_image
from app_lab import Lab, Visitor
from local_set import MASTER, LocalSet, free_net

pytestmark = pytest.mark.nightly
FIRST_NET = 70


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return valkey_image.unpacked(tmp_path_factory)


@pytest.fixture(scope="module", params=[False, True], ids=["plain", "encrypted"])
def sessions(
    request: pytest.FixtureRequest, tree: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[LocalSet]:
    made = LocalSet(tree, tmp_path_factory.mktemp("set"), free_net(FIRST_NET), encrypted=request.param)
    made.start()
    try:
        made.wait_whole(60)
        yield made
    finally:
        made.close()


def environment(lab: Lab, found: LocalSet, folder: Path) -> dict[str, str]:
    for name in ("app", "sentinel"):
        (folder / name).write_text(found.passwords[name])
    made = {
        "APP_SESSIONS_PASSWORD_FILE": str(folder / "app"),
        "APP_SENTINEL_PASSWORD_FILE": str(folder / "sentinel"),
    }
    if ca_file := found.ca_file():  # then MariaDB's connections are encrypted, too
        both = [Path(ca_file), lab.folder / "database/tls/ca.crt"]
        (folder / "ca.crt").write_text("".join(each.read_text() for each in both))
        made["APP_CA_FILE"] = str(folder / "ca.crt")
    hosts = ",".join(f"{each.pod.host}:26379" for each in found.sentinels)
    return {**made, "APP_SESSIONS_URL": f"sentinel://{hosts}/{MASTER}"}


def test_a_fail_over_ends_no_session_and_fails_no_request(
    lab: Lab, sessions: LocalSet, tmp_path: Path
) -> None:
    app = lab.app("app-set", **environment(lab, sessions, tmp_path))
    with Visitor(app.site) as user:
        user.sign_up()
        primary = sessions.wait_whole()
        stop = time.monotonic() + 12

        def ask(number: int) -> list[int]:
            with Visitor(app.site, headers=user.headers, cookies=user.cookies) as client:
                found: list[int] = []
                while time.monotonic() < stop:
                    found.append(client.get("/api/v1/session").status_code)
                    if number == 0 and len(found) == 20:
                        sessions.kill(primary)
                    time.sleep(0.01)
                return found

        with ThreadPoolExecutor(4) as pool:
            answers = [each for found in pool.map(ask, range(4)) for each in found]
        assert set(answers) == {200}
        user.log_in()
        assert user.get("/api/v1/session").json()["user"]["email"] == user.email
    if sessions.tls:
        [(_, cipher)] = lab.sql("SHOW GLOBAL STATUS LIKE 'Ssl_accepts'")
        assert int(cipher) > 0
    app.stop()
