"""The save that a drill asks for before it cuts the power."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest
from fake_server import FakeServer, bulk

from filewallball.drill.load import saving

LOGIN = ("AUTH", "backup", "pw")
STARTED = "+Background saving started\r\n"
BUSY = "-ERR Background save already in progress\r\n"

Serve = Callable[[Callable[[list[str]], str]], FakeServer]


def state(running: str, status: str = "ok") -> str:
    return bulk(f"rdb_bgsave_in_progress:{running}\r\nrdb_last_bgsave_status:{status}\r\n")


def server(serve: Serve, saves: list[str], states: list[str], login: str = "+OK\r\n") -> FakeServer:
    """One that answers each BGSAVE and each INFO with what is next; the last one stands."""
    answers = {"BGSAVE": saves, "INFO": states, "AUTH": [login], "PING": ["+PONG\r\n"]}

    def answer(given: list[str]) -> str:
        left = answers[given[0]]
        return left.pop(0) if len(left) > 1 else left[0]

    return serve(answer)


def test_it_is_over_when_the_file_is_written(serve: Serve) -> None:
    made = server(serve, [STARTED], [state("1"), state("1"), state("0")])
    before = time.monotonic()
    assert before < saving.save(made.address, LOGIN) < time.monotonic()
    assert made.seen[0] == list(LOGIN)
    assert [one[0] for one in made.seen].count("INFO") == 3


def test_a_file_that_is_written_already_may_lack_the_newest_so_another_is_asked_for(serve: Serve) -> None:
    made = server(serve, [BUSY, BUSY, STARTED], [state("0")])
    before = time.monotonic()
    asked = saving.save(made.address, LOGIN)
    assert [one[0] for one in made.seen].count("BGSAVE") == 3
    assert asked - before > saving.POLL_SECONDS, "the moment is that of the third"


@pytest.mark.parametrize(
    ("saves", "states", "login", "why"),
    [
        ([STARTED], [state("1"), state("0", "err")], "+OK\r\n", "the save failed"),
        (["-NOPERM User backup has no permissions\r\n"], [state("0")], "+OK\r\n", "BGSAVE: NOPERM"),
        ([STARTED], [state("0")], "-WRONGPASS invalid\r\n", "WRONGPASS"),
        ([BUSY], [state("0")], "+OK\r\n", "already in progress, after 0 s"),
        ([STARTED], [state("1")], "+OK\r\n", "the save doesn't end, after 0 s"),
    ],
)
def test_no_save(
    serve: Serve, monkeypatch: pytest.MonkeyPatch, saves: list[str], states: list[str], login: str, why: str
) -> None:
    monkeypatch.setattr(saving, "SAVE_SECONDS", 0.2 if "0 s" in why else 60.0)
    made = server(serve, saves, states, login)
    with pytest.raises(saving.NotSavedError, match=why):
        saving.save(made.address, LOGIN)
