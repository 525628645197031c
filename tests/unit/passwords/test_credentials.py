"""A Secret in a change of its passwords: what is read from it and written to it."""

from __future__ import annotations

import json
from datetime import timedelta

import pytest
from fake_world import START, encoded, secret

from filewallball.errors import UserError
from filewallball.passwords.credentials import ROTATION, Credentials
from filewallball.passwords.servers import SERVERS

REDIS = SERVERS["redis"]


def read(**data: str | None) -> Credentials:
    found = secret(REDIS)
    texts = {key.replace("_", "-"): text for key, text in data.items()}
    found["data"] |= encoded({key: text for key, text in texts.items() if text is not None})
    found["data"] = {key: value for key, value in found["data"].items() if texts.get(key, "") is not None}
    return Credentials.read(found, REDIS.users)


def test_a_secret_at_rest() -> None:
    found = read()
    assert found.phase == ""
    assert found.current == {"app": "redis-app-first", "checks": "redis-checks-first"}


def test_a_missing_password_is_named() -> None:
    with pytest.raises(UserError, match="redis-credentials lacks app-password") as caught:
        read(app_password=None)
    assert caught.value.hint


@pytest.mark.parametrize("mark", ["", "{", "[]", '{"phase": "other"}', '{"phase": "added", "since": "soon"}'])
def test_other_passwords_without_a_phase_are_those_to_be_dropped(mark: str) -> None:
    """What clients read stays valid in any case."""
    found = read(app_password_other="x", rotation=mark)
    assert found.phase == "switched"
    assert found.dropped().current == found.current


def test_a_phase_without_other_passwords_is_none() -> None:
    assert read(rotation=json.dumps({"phase": "added", "since": START.isoformat()})).phase == ""


def test_there_and_back() -> None:
    found = read()
    added = found.added(START)
    switched = added.switched(START + timedelta(minutes=1))
    assert switched.other == found.current
    assert switched.current == added.other
    assert switched.since == START + timedelta(minutes=1)
    returning = switched.returning(START)
    assert returning.current == found.current
    assert returning.dropped().current == found.current


def test_only_what_changes_is_written_and_only_over_what_was_read() -> None:
    found = read()
    patch = found.added(START).patch(found)
    assert patch["metadata"]["resourceVersion"] == "1"
    assert patch["data"].keys() == {"app-password-other", "checks-password-other", ROTATION}
    dropped = found.added(START).dropped().patch(found)
    assert set(dropped["data"].values()) == {None}


def test_no_password_is_shown() -> None:
    assert "first" not in repr(read())
