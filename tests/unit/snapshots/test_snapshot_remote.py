"""`fwb valkey …` on the laptop: what is asked, what is refused, and what the pod is told to do."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from filewallball.errors import ConfigError, UserError
from filewallball.snapshots import remote

NEWEST = {"name": "valkey_snapshot_20260301_031500.rdb", "verified": True, "keys": 0, "latest": False}
LATEST = {"name": "valkey_snapshot_20260301_021500.rdb", "verified": True, "keys": 7, "latest": True}
UNTRIED = {"name": "valkey_snapshot_20260301_011500.rdb", "verified": False, "keys": None, "latest": False}


class Pod:
    """Stands for cron.run: remembers what it was told, and lists what a test wants."""

    def __init__(self) -> None:
        self.listed: list[dict[str, Any]] = [NEWEST, LATEST, UNTRIED]
        self.code = 0
        self.told: list[tuple[list[str], bool]] = []

    def run(
        self, _place: object, _pod: object, words: list[str],
        write: Callable[[str], None] = print, *, in_its_turn: bool = False,
    ) -> int:  # fmt: skip
        self.told.append((words, in_its_turn))
        if words == ["list", "--json"]:
            for one in self.listed:
                write(json.dumps(one))
        return self.code


@pytest.fixture
def pod(monkeypatch: pytest.MonkeyPatch) -> Pod:
    found = Pod()
    monkeypatch.setattr(remote.cron, "run", found.run)
    monkeypatch.setattr(remote.stack, "find", lambda *_: remote.Place("dev", "files", None))  # type: ignore[arg-type]
    monkeypatch.setattr(remote.Place, "__str__", lambda _: "namespace files of test")
    monkeypatch.setattr(remote.sys.stdin, "isatty", lambda: True, raising=False)
    return found


def restore(name: str | None = None, *, latest: bool = False, yes: bool = False) -> int:
    return remote.restore(Path(), "dev", name, latest=latest, yes=yes)


def answer(monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    monkeypatch.setattr("builtins.input", lambda _: text)


def test_now_counts_as_the_cronjobs_own_and_a_list_does_not(pod: Pod) -> None:
    assert remote.now(Path(), "dev") == 0
    assert remote.show(Path(), "dev") == 0
    assert pod.told == [(["run"], True), (["list"], False)]


@pytest.mark.parametrize(("name", "latest"), [(None, False), (str(LATEST["name"]), True)])
def test_one_of_name_and_latest(pod: Pod, name: str | None, latest: bool) -> None:
    with pytest.raises(ConfigError, match="Which snapshot"):
        restore(name, latest=latest, yes=True)
    assert pod.told == []


def test_nobody_to_ask(pod: Pod, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote.sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(ConfigError, match="there is nobody"):
        restore(latest=True)
    assert pod.told == []


def test_yes_asks_nothing(pod: Pod) -> None:
    assert restore(latest=True, yes=True) == 0
    assert restore(str(LATEST["name"]), yes=True) == 0
    assert pod.told == [(["restore", "--latest"], True), (["restore", "--name", LATEST["name"]], True)]


def test_the_question_names_the_snapshot_and_the_answer_holds_for_that_one(
    pod: Pod, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    answer(monkeypatch, "yes")
    assert restore(latest=True) == 0
    said = capsys.readouterr().out
    assert f"{LATEST['name']} (7 keys) will take the place of all sessions in namespace files" in said
    assert pod.told[-1] == (["restore", "--name", LATEST["name"]], True)


@pytest.mark.parametrize("text", ["", "n", "y"])
def test_anything_else_than_yes_changes_nothing(pod: Pod, monkeypatch: pytest.MonkeyPatch, text: str) -> None:
    answer(monkeypatch, text)
    assert restore(latest=True) == 1
    assert pod.told == [(["list", "--json"], False)]


@pytest.mark.parametrize(
    ("name", "said"),
    [
        ("valkey_snapshot_20200101_000000.rdb", "no snapshot valkey_snapshot_2020"),
        (str(UNTRIED["name"]), "never loaded"),
    ],
)
def test_a_snapshot_that_cannot_be_restored(pod: Pod, name: str, said: str) -> None:
    with pytest.raises(UserError, match=said):
        restore(name)
    assert [words for words, _ in pod.told] == [["list", "--json"]]


def test_nothing_to_restore(pod: Pod) -> None:
    pod.listed = [NEWEST]
    with pytest.raises(UserError, match="no verified snapshot with keys"):
        restore(latest=True)


def test_a_list_that_fails(pod: Pod) -> None:
    pod.code = 1
    with pytest.raises(UserError, match="cannot be listed"):
        restore(latest=True)
