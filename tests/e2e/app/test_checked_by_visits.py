"""The checks app-login and app-upload on real servers: sound ones, faulty ones, and what stays of a check."""

from __future__ import annotations

import subprocess
import sys
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from app_lab import DATABASE, App, Lab, Visitor

from facts.checks import PATH_VARIABLE, document
from facts.checks.app import AppServer, AppTarget
from filewallball.checks import runner
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed, Result
from filewallball.checks.suites import app_visit
from filewallball.checks.suites.app import CHECKS

LOGIN, UPLOAD = CHECKS
TABLES = ("users", "files", "posts", "comments", "notifications")
Visitors = Callable[[], Visitor]


def target(*servers: App) -> AppTarget:
    told = [AppServer(name=each.name, host="127.0.0.1", port=each.site_port) for each in servers]
    return AppTarget(servers=tuple(told), upload_bytes=100 * 2**20)


def check(chosen: runner.Check, *servers: App) -> Result:
    return runner.run_one(chosen, ChecksConfig("files", disposable=False, sections=(target(*servers),)))


def held(lab: Lab) -> dict[str, Any]:
    """All that a check could leave."""
    counts = {name: lab.sql(f"SELECT COUNT(*) FROM {DATABASE}.{name}")[0][0] for name in TABLES}  # noqa: S608
    return {**counts, "objects": lab.objects(), "sessions": sorted(lab.redis("sessions").keys("session:*"))}


@pytest.fixture
def unchanged(lab: Lab) -> Iterator[None]:
    before = held(lab)
    yield
    assert held(lab) == before


@pytest.fixture(scope="module")
def two(lab: Lab) -> list[App]:
    """Faulty servers, which start beside each other."""
    (lab.store.data / "elsewhere").mkdir(exist_ok=True)
    sessions = {
        "APP_SESSIONS_URL": f"redis://127.0.0.1:{lab.cache_port}/9",
        "APP_SESSIONS_PASSWORD_FILE": str(lab.folder / "cache-password"),
    }
    made = [App(lab, "app-odd", **sessions), App(lab, "app-strange", APP_FILES_BUCKET="elsewhere")]
    lab.apps.extend(made)
    for each in made:
        each.begin()
    for each in made:
        each.wait()
    return made


@pytest.fixture
def odd(two: list[App]) -> App:
    """It has sessions of its own."""
    return two[0]


@pytest.fixture
def strange(two: list[App]) -> App:
    """It has a store of its own."""
    return two[1]


@pytest.mark.usefixtures("unchanged")
def test_a_sound_application_passes(app: App, second: App) -> None:
    for each in CHECKS:
        result = check(each, app, second)
        assert result.status == "ok", result
        assert "app-1" in result.observed


@pytest.mark.usefixtures("unchanged")
def test_a_server_with_sessions_or_a_store_of_its_own_is_found(app: App, odd: App, strange: App) -> None:
    assert "app-odd takes whoever has logged in on app-0 for nobody" in check(LOGIN, app, odd).observed
    result = check(UPLOAD, app, strange)
    assert "app-strange answered GET /api/v1/files/" in result.observed
    assert "with 404" in result.observed


@pytest.mark.usefixtures("unchanged")
def test_a_changed_byte_in_the_store_is_found(
    app: App, second: App, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    ask = app_visit.Visit.ask

    def ask_and_damage(
        self: app_visit.Visit, server: AppServer, method: str, path: str, *more: Any, **options: Any
    ) -> Any:
        answer = ask(self, server, method, path, *more, **options)
        if method == "POST" and path.startswith("/api/v1/files"):
            kept = lab.store.data / "files" / answer.read()["id"]
            kept.write_bytes(kept.read_bytes()[:-1] + b"?")
        return answer

    monkeypatch.setattr(app_visit.Visit, "ask", ask_and_damage)
    assert "app-1 gave something else than app-0 took (the whole file" in check(UPLOAD, app, second).observed


def test_nobody_sees_a_check_and_a_killed_one_is_cleared_away(
    app: App, second: App, lab: Lab, visitor: Visitors
) -> None:
    """It has a file, an upload under way and two log-ins. The next one removes it all."""
    before = held(lab)
    guest = app_visit.Visit(ChecksConfig("files", disposable=False, sections=(target(app, second),)))
    guest.enter()
    guest.log_in(guest.servers[1])
    guest.ask(guest.servers[0], "POST", "/api/v1/files?name=a&shared=1", (201,), guest.own, body=b"x" * 1000)
    body = b'{"name": "b", "size": 100}'
    headers = {"Content-Type": "application/json"}
    guest.ask(guest.servers[0], "POST", "/api/v1/uploads", (201,), guest.own, body=body, headers=headers)
    lab.redis("cache").delete("online:users")
    assert app_visit.NAME_SHOWN not in [each["name"] for each in visitor().get("/api/v1/online").json()]

    assert check(LOGIN, app, second).status == "ok"
    assert held(lab)["users"] == before["users"] + 1, "another check may still be under way"
    lab.sql(
        f"UPDATE {DATABASE}.users SET created_at = created_at - INTERVAL 3 MINUTE"  # noqa: S608
        f" WHERE email = '{guest.email}'"
    )
    assert check(LOGIN, app, second).status == "ok"
    assert held(lab) == before
    guest.ask(guest.servers[1], "GET", app_visit.SESSION, (401,), guest.own)


@pytest.mark.usefixtures("unchanged")
def test_an_account_whose_files_can_not_be_removed_yet_stays_and_is_asked_for_again(
    app: App, lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As while the store is away: the object stays, and so does its row."""
    monkeypatch.setattr(app_visit, "PATIENCE_SECONDS", 0.0)
    guest = app_visit.Visit(ChecksConfig("files", disposable=False, sections=(target(app),)))
    guest.enter()
    [[user]] = lab.sql(f"SELECT id FROM {DATABASE}.users WHERE email = '{guest.email}'")  # noqa: S608
    lab.sql(
        f"INSERT INTO {DATABASE}.files (id, owner_id, state, name, type)"  # noqa: S608
        f" VALUES ('{uuid.uuid4()}', {user}, 'deleting', 'a', 'b')"
    )
    for _ in range(2):
        with pytest.raises(CheckFailed, match=r"app-0 answered DELETE /api/v1/account with 503"):
            guest.leave()
    lab.sql(f"DELETE FROM {DATABASE}.files WHERE owner_id = {user}")  # noqa: S608
    guest.leave()


def test_only_accounts_of_checks_can_be_removed_so(app: App, visitor: Visitors) -> None:
    user = visitor().sign_up()
    user.upload(b"x")
    answer = user.delete("/api/v1/account")
    assert (answer.status_code, answer.json()["code"]) == (403, "not_allowed")
    assert len(user.get("/api/v1/files").json()) == 1
    for address in ("check-x@example.test", "x@checks.filewallball.invalid"):
        other = visitor()
        other.email = address
        assert other.sign_up().delete("/api/v1/account").status_code == 403, address


@pytest.mark.usefixtures("unchanged")
def test_several_at_once_and_as_the_pod_runs_them(app: App, second: App, tmp_path: Path) -> None:
    config = tmp_path / "checks.json"
    config.write_text(document("files", [target(app, second)], disposable=False))
    command = [sys.executable, "-m", "filewallball.checks", "run", "app-login", "app-upload"]
    running = [
        subprocess.Popen(command, env={PATH_VARIABLE: str(config)}, stdout=subprocess.PIPE, text=True)
        for _ in range(2)
    ]
    for each in running:
        said, _ = each.communicate(timeout=120)
        assert (each.returncode, said) == (0, "app-login: OK\napp-upload: OK\n")


def test_a_log_in_outlives_the_server_that_made_it(app: App, strange: App) -> None:
    with Visitor(strange.site) as user:
        user.sign_up()
        strange.stop()
        user.base_url = app.site
        assert user.get("/api/v1/session").json()["user"]["email"] == user.email
