"""Members of an older version, with 16 databases and other rights, beside those of today."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest
from local_set import Process, wait_for
from snapshot_lab import Lab

from facts.valkey import CLOCK, CLOCK_DB


def as_it_is(text: str) -> str:
    return text


def older(text: str) -> str:
    """valkey.conf and users.acl as they were while applications had databases 0 to 13."""
    text = text.replace("databases 17\n", "").replace("proto-max-bulk-len 12mb\n", "")
    text = re.sub(
        r"^(user default on \S+) .*$", r"\1 ~* &* +@all -@admin -@dangerous +info +role", text, flags=re.M
    )
    return text.replace(" +move +eval", "")


def roll(lab: Lab, to: Callable[[str], str], between: Callable[[Process], None]) -> None:
    """One member after the other, the last one first, as a StatefulSet does it."""
    for each in reversed(lab.servers.members):
        lab.servers.stop(each)
        each.settled = to
        lab.servers.start([each])
        lab.servers.wait_whole()
        lab.__dict__.pop("primary", None)
        between(each)


def clock(lab: Lab) -> tuple[int, int]:
    def read() -> list[str] | None:
        found = lab.servers.client(lab.primary, "checks", db=CLOCK_DB).hmget(CLOCK, "epoch", "tick")
        return found if all(found) else None

    epoch, tick = wait_for(read, 5, lambda: "no clock")
    return int(epoch), int(tick)


@pytest.mark.nightly
def test_back_to_an_older_version_and_forth_again(lab: Lab) -> None:
    with lab.client(database=3) as client:
        client.set("a", "1")
    times = [clock(lab)]

    def on_the_way(each: Process) -> None:
        times.append(clock(lab))
        lab.wait_same_everywhere()
        taken = lab.take()
        assert taken.keys == lab_keys
        if each is lab.servers.members[0]:
            return
        # Some have the database that a restore prepares in, others don't.
        refused = lab.run("restore", "--name", taken.name, code=1)
        assert "DB index is out of range" in refused
        assert "Run `fwb up`, and wait until it has ended" in refused
        assert "The set was left as it is" in refused

    lab_keys = 1
    roll(lab, older, on_the_way)
    # An application of that version may have written anywhere.
    for number in (14, 15):
        lab.client(database=number).set("mine", "2")
    lab_keys = 3
    roll(lab, as_it_is, on_the_way)
    assert times == sorted(times), "who leads after a power cut is decided by this"
    assert {(number, key) for number, key in lab.contents()} == {(3, b"a"), (14, b"mine"), (15, b"mine")}
    taken = lab.take()
    lab.flush()
    lab.run("restore", "--name", taken.name)
    lab.wait_same_everywhere()
    assert len(lab.contents()) == 3
