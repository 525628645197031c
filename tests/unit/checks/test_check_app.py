"""The checks of the application against servers on loopback: well, and with each fault that they are for."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import replace

import pytest
from fake_site import Fake, Shared, config_of

from facts.checks.app import AppTarget
from filewallball.app.accounts import CHECKS, of_check
from filewallball.app.names import clean_name
from filewallball.checks import runner
from filewallball.checks.config import ChecksConfig, parse
from filewallball.checks.result import CheckFailed, Result
from filewallball.checks.suites import app, app_visit
from filewallball.checks.suites.app import CHECKS as APP_CHECKS

LOGIN, UPLOAD = APP_CHECKS


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> Iterator[list[Fake]]:
    monkeypatch.setattr(app_visit, "PATIENCE_SECONDS", 0.0)
    shared = Shared()
    with ExitStack() as stack:
        made = [stack.enter_context(Fake(f"app-{number}", shared)) for number in range(3)]
        yield made
        for each in made:
            each.shutdown()


def failing(check: runner.Check, servers: list[Fake]) -> Result:
    """How it fails; nothing of it is left behind."""
    result = runner.run_one(check, config_of(servers))
    assert result.status == "failed", result
    assert not servers[0].users, "the account stays"
    assert not servers[0].files, "the file stays"
    return result


@pytest.mark.parametrize("check", APP_CHECKS, ids=lambda each: each.name)
def test_all_is_well_and_nothing_stays(check: runner.Check, servers: list[Fake]) -> None:
    result = runner.run_one(check, config_of(servers))
    assert result.status == "ok", result
    assert not any((servers[0].users, servers[0].sessions, servers[0].files))
    assert all(each.asked for each in servers)
    assert not check.quick


def test_what_is_told_of_a_sound_application(servers: list[Fake]) -> None:
    assert (
        app.login(config_of(servers)) == "logged in on app-0, known on app-1 and app-2, logged out on app-2"
    )
    assert app.upload(config_of(servers)) == "262144 bytes through app-0, the same from app-1 and app-2"
    alone = config_of(servers[:1], upload_bytes=1)
    assert app.login(alone).endswith("there is no other server that could know of it")
    assert app.upload(alone) == "1 bytes through app-0 and back; there is no other server to fetch them from"


def test_the_names_agree_with_the_application() -> None:
    assert clean_name(app.GIVEN_NAME) == app.KEPT_NAME
    assert app_visit.CHECK_ADDRESS == CHECKS
    assert of_check(app_visit.Visit(config_of([])).email)
    assert not of_check("check-in@example.com")


def test_sessions_in_the_memory_of_one_server(servers: list[Fake]) -> None:
    servers[1].sessions = {}
    result = failing(LOGIN, servers)
    assert "app-1 takes whoever has logged in on app-0 for nobody" in result.observed
    assert "401 (needs_login)" in result.observed
    assert "valkey-primary" in result.hint


def test_a_server_that_remembers_sessions_beyond_their_end(servers: list[Fake]) -> None:
    class Remembering(dict[str, str]):
        def __delitem__(self, key: str) -> None:
            pass

    kept = Remembering()
    for each in servers:
        each.sessions = kept
    result = failing(LOGIN, servers)
    assert "app-0 still knows a session that was ended on app-2" in result.observed


@pytest.mark.parametrize("check", APP_CHECKS, ids=lambda each: each.name)
@pytest.mark.parametrize("place", [0, 1, 2])
def test_a_server_that_answers_503(check: runner.Check, place: int, servers: list[Fake]) -> None:
    servers[place].answer = lambda _method, _path: 503
    result = failing(check, servers)
    assert f"app-{place} answered " in result.observed
    assert "with 503 (unavailable)" in result.observed
    assert f"logs app-{place} -c app" in result.hint


def test_a_server_that_is_busy_for_a_moment_is_asked_again(
    servers: list[Fake], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(app_visit, "PATIENCE_SECONDS", 10.0)
    monkeypatch.setattr(app_visit, "_PAUSE_SECONDS", 0.0)
    left = {"app-0": 2, "app-1": 3}

    def busy(name: str) -> Callable[[str, str], int | None]:
        def answer(_method: str, _path: str) -> int | None:
            left[name] -= 1
            return 503 if left[name] >= 0 else None

        return answer

    for each in servers[:2]:
        each.answer = busy(each.name)
    assert runner.run_one(LOGIN, config_of(servers)).status == "ok"
    assert max(left.values()) < 0


def test_an_account_that_was_made_though_the_answer_was_503(servers: list[Fake]) -> None:
    """The sessions were away: the row is there, and the server is asked again."""
    made, first = app_visit.Visit(config_of(servers)), servers[0]
    first.users[made.email] = made._password
    made.enter()
    assert first.asked == ["POST /api/v1/users", "POST /api/v1/session"]


def test_a_store_that_gives_other_bytes(servers: list[Fake]) -> None:
    servers[2].change = lambda data: data[:-1] + bytes([data[-1] ^ 1])
    result = failing(UPLOAD, servers)
    assert (
        "app-2 gave something else than app-0 took (the whole file: 262144 bytes, sha256 " in result.observed
    )
    servers[2].change = lambda data: data[:100]
    assert "the whole file: 100 bytes" in failing(UPLOAD, servers).observed


def test_ranges_that_are_not_what_was_asked_for(servers: list[Fake]) -> None:
    servers[1].ranges = False
    result = failing(UPLOAD, servers)
    assert "app-1 answered GET /api/v1/files/" in result.observed
    assert result.expected == "it answers with 206"
    servers[1].ranges = True
    wholes = iter([True])
    servers[1].change = lambda data: data if next(wholes, False) else data[1:]
    assert "app-1 gave something else than app-0 took (bytes=0-" in failing(UPLOAD, servers).observed


def test_a_file_that_stays_on_another_server(servers: list[Fake]) -> None:
    class Staying(dict[str, object]):
        def get(self, key: str, default: object = None) -> object:  # type: ignore[override]
            kept.update(servers[0].files)
            return kept.get(key, default)

    kept: dict[str, object] = {}
    servers[1].files = Staying()  # type: ignore[assignment]
    result = failing(UPLOAD, servers)
    assert "app-1 answered GET /api/v1/files/" in result.observed
    assert "with 200" in result.observed
    assert result.expected == "a file that app-0 has deleted is gone everywhere (404)"


def test_a_file_under_another_name(servers: list[Fake]) -> None:
    class Renaming(dict[str, dict[str, object]]):
        def __setitem__(self, key: str, value: dict[str, object]) -> None:
            told = value["told"]
            assert isinstance(told, dict)
            told["name"] = "../x"
            super().__setitem__(key, value)

    shared = Renaming()
    for each in servers:
        each.files = shared
    assert "name '../x'" in failing(UPLOAD, servers).observed


def test_a_service_that_leads_to_another_server(servers: list[Fake]) -> None:
    servers[1].says = "app-2"
    result = failing(LOGIN, servers)
    assert "sent to the Service 127.0.0.1, was answered by app-2" in result.observed
    assert result.expected == "it is answered by app-1"


def test_a_server_that_is_gone_is_named(servers: list[Fake]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        [target] = config_of(servers).sections
        assert isinstance(target, AppTarget)
        gone = replace(target.servers[1], port=free.getsockname()[1])
        target = replace(target, servers=(target.servers[0], gone, target.servers[2]))
        with pytest.raises(CheckFailed, match="app-1 gave no answer to GET /api/v1/session") as raised:
            app.login(ChecksConfig("files", disposable=False, sections=(target,)))
    assert "logs pod/app-1" in raised.value.hint
    assert not servers[0].users


def test_an_account_that_can_not_be_removed_is_told(servers: list[Fake]) -> None:
    for each in servers:
        each.answer = lambda method, path: 503 if path == "/api/v1/account" else None
    result = runner.run_one(LOGIN, config_of(servers))
    assert "could not be removed: app-0 answered DELETE /api/v1/account with 503" in result.observed
    assert "The servers remove the account by themselves later." in result.hint
    servers[1].answer = lambda _method, _path: None
    assert runner.run_one(LOGIN, config_of(servers)).status == "ok", "one that can is enough"


@pytest.mark.parametrize("check", APP_CHECKS, ids=lambda each: each.name)
def test_a_check_that_is_interrupted_removes_its_account(check: runner.Check, servers: list[Fake]) -> None:
    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(app, "_known", interrupt)
        patch.setattr(app, "_comes_back", interrupt)
        with pytest.raises(KeyboardInterrupt):
            check.run(config_of(servers))
    assert not any((servers[0].users, servers[0].files))


def test_what_the_program_tells_is_read_and_faults_are_named() -> None:
    text = (
        '{"namespace": "n", "disposable": false, "app": {"servers": [{"name": "app-0", "host": "app-0", '
        '"port": 3000}], "upload_bytes": 5}}'
    )
    target = parse(text)[AppTarget]
    assert target.addresses() == [("app-0", 3000)]
