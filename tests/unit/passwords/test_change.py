"""The order of a change of passwords, and what is left of it wherever it fails or is interrupted."""

from __future__ import annotations

from datetime import timedelta

import pytest
from fake_world import FakeWorld, until_done

from filewallball.errors import UserError
from filewallball.passwords.change import Change
from filewallball.passwords.servers import SERVERS, select

GRACE = timedelta(seconds=10)


def change(world: FakeWorld, name: str = "") -> Change:
    return Change(world, select(name), world.say, "dev")


def calls_of_a_whole_change() -> list[str]:
    world = FakeWorld()
    change(world).rotate(GRACE)
    return world.calls


WHOLE = calls_of_a_whole_change()
SWITCHED = WHOLE.index("write mariadb switched") + 1
PROVEN = WHOLE.index("prove", WHOLE.index("write valkey switched")) + 1


def name_of(number: int) -> str:
    return f"{number}-{WHOLE[number - 1].replace(' ', '-')}"


def test_every_user_of_every_server_gets_another_password() -> None:
    world = FakeWorld()
    before = world.passwords()
    change(world).rotate(GRACE)
    after = world.passwords()
    for name, server in SERVERS.items():
        assert after[name].keys() == set(server.users)
        assert not set(after[name].values()) & set(before[name].values())
        assert len(set(after[name].values())) == len(server.users)
        assert world.accepted[name] == set(after[name].values()), "the old ones are refused"
    assert world.phases() == {""}
    assert [line[:6] for line in world.lines if " of 5:" in line] == [f"{n} of 5" for n in range(1, 6)]


def test_no_password_is_told() -> None:
    world = FakeWorld()
    old = world.passwords()
    change(world).rotate(GRACE)
    said = "\n".join(world.lines) + repr(world.now("redis"))
    for passwords in (old, world.passwords()):
        for one in passwords.values():
            assert not [value for value in one.values() if value in said]


def test_one_server_alone() -> None:
    world = FakeWorld()
    before = world.passwords()
    change(world, "redis").rotate(GRACE)
    after = world.passwords()
    assert [name for name in SERVERS if after[name] != before[name]] == ["redis"]


def test_applications_have_their_time_with_both() -> None:
    world = FakeWorld()
    world.jobs = ["backup-1"]
    began = world.time
    change(world).rotate(GRACE)
    assert world.time - began >= GRACE
    first_drop = world.calls.index("write mariadb dropped")
    assert world.calls[:first_drop].count("wait") >= 6, "five waits for applications, one for the Job"
    assert any("backup-1" in line for line in world.lines)
    assert any("web-1" in line for line in world.lines)


def test_their_time_begins_when_all_servers_have_followed() -> None:
    world = FakeWorld()
    world.proof_seconds = 2 * GRACE.total_seconds()
    change(world).rotate(GRACE)
    first_drop = world.calls.index("write mariadb dropped")
    assert world.calls[:first_drop].count("wait") >= 5


@pytest.mark.parametrize("number", range(1, PROVEN + 1), ids=name_of)
def test_a_step_that_fails_before_all_use_the_new_ones_puts_all_back(number: int) -> None:
    world = FakeWorld()
    before = world.passwords()
    world.fails = {number}
    with pytest.raises(UserError) as caught:
        change(world).rotate(GRACE)
    assert world.passwords() == before
    assert world.phases() == {""}
    assert world.held == 0
    assert caught.value.hint or number < 5, "what to do"
    change(world).rotate(GRACE)
    assert not set(world.passwords()["redis"].values()) & set(before["redis"].values())


def test_what_was_read_by_clients_meanwhile_is_accepted_until_they_have_gone_back() -> None:
    world = FakeWorld()
    world.fails = {PROVEN}
    began = world.time
    with pytest.raises(UserError):
        change(world).rotate(GRACE)
    assert "write mariadb returning" in world.calls
    assert world.time - began >= GRACE


def test_a_server_that_does_not_follow_stops_it() -> None:
    world = FakeWorld()
    world.refuse_new = {"valkey"}
    before = world.passwords()
    with pytest.raises(UserError, match="valkey") as caught:
        change(world).rotate(GRACE)
    assert "fwb passwords rotate dev" in caught.value.hint
    assert world.passwords() == before
    assert not [call for call in world.calls if "switched" in call]


@pytest.mark.parametrize("number", range(1, len(WHOLE) + 1), ids=name_of)
def test_interrupted_anywhere_it_goes_on(number: int) -> None:
    world = FakeWorld()
    before = world.passwords()
    world.stops = {number}
    with pytest.raises(KeyboardInterrupt):
        change(world).rotate(GRACE)
    for name in SERVERS:
        assert set(world.passwords()[name].values()) <= world.accepted[name]
    until_done(world, lambda: change(world).rotate(GRACE))
    assert world.phases() == {""}
    for name, passwords in world.passwords().items():
        assert not set(passwords.values()) & set(before[name].values())


@pytest.mark.parametrize("number", range(1, len(WHOLE) + 1), ids=name_of)
def test_interrupted_anywhere_it_can_be_taken_back_or_is_done(number: int) -> None:
    world = FakeWorld()
    before = world.passwords()
    world.stops = {number}
    with pytest.raises(KeyboardInterrupt):
        change(world).rotate(GRACE)
    dropped = {call.split()[1] for call in world.calls[:-1] if call.endswith("dropped")}
    until_done(world, lambda: change(world).undo(GRACE))
    assert world.phases() == {""}
    for name in SERVERS:
        assert (world.passwords()[name] != before[name]) == (name in dropped), name


def test_a_change_that_cannot_be_taken_back_says_how_it_can() -> None:
    world = FakeWorld()
    world.fails = {PROVEN, PROVEN + 5}
    with pytest.raises(UserError, match="could not be taken back") as caught:
        change(world).rotate(GRACE)
    assert "fwb passwords undo dev" in caught.value.hint
    for name in SERVERS:
        assert set(world.passwords()[name].values()) <= world.accepted[name]
    until_done(world, lambda: change(world).undo(GRACE))
    assert world.phases() == {""}


def test_finish_ends_the_time() -> None:
    world = FakeWorld()
    world.stops = {WHOLE.index("wait") + 1}
    with pytest.raises(KeyboardInterrupt):
        change(world).rotate(timedelta(hours=1))
    assert world.phases() == {"switched"}
    world.stops = set()
    began = world.time
    change(world).finish()
    assert world.time == began
    assert world.phases() == {""}
    change(world).finish()
    assert world.lines[-1] == "No old passwords are left to be refused."


def test_undo_without_a_change_says_so() -> None:
    world = FakeWorld()
    change(world).undo(GRACE)
    assert world.lines == ["No change of passwords is under way."]


def test_old_passwords_that_are_still_accepted_at_the_end_are_told() -> None:
    world = FakeWorld()
    last = len(WHOLE)
    assert WHOLE[last - 1] == "prove"
    world.fails = {last}
    with pytest.raises(UserError, match="hold the new passwords alone"):
        change(world).rotate(GRACE)
    assert world.phases() == {""}
