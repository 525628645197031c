"""What an agent does next, rule by rule."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filewallball.valkey.decide import (
    ABSENT_SECONDS,
    ADRIFT_SECONDS,
    LOADING_SECONDS,
    PROMOTED_SECONDS,
    SENTINELS_FIRST_SECONDS,
    TOGETHER_SECONDS,
    Step,
    decide,
)
from filewallball.valkey.layout import Pod
from filewallball.valkey.member import View
from filewallball.valkey.sentinels import Opinion

PODS = {
    name: Pod(name, f"10.0.0.{number}") for number, name in enumerate(["valkey-0", "valkey-1", "valkey-2"], 1)
}
PRIMARY = View("valkey-0", "primary", open=True, epoch=3, tick=50, offset=900)
REPLICA = View("valkey-1", "replica", open=True, source="10.0.0.1", linked=True, epoch=3, tick=50, offset=900)
OTHER = replace(REPLICA, name="valkey-2")
CLOSED = View("valkey-0", "closed", epoch=3, tick=20, offset=100)
LONG = 1000.0


def named(name: str, epoch: int = 3, *, down: bool = False) -> Opinion:
    return Opinion(PODS[name], epoch, down)


def step(
    me: View,
    opinion: Opinion | None,
    *others: View | None,
    unsettled: float = 0,
    leading: float = LONG,
) -> Step:
    """The decision, with `others` in the order of the other members' names."""
    names = [name for name in PODS if name != me.name]
    peers = dict(zip(names, others, strict=True)) if others else {}
    return decide(me, opinion, peers, unsettled=unsettled, leading=leading)


def test_without_a_majority_of_sentinels_nothing_happens() -> None:
    for me in (PRIMARY, REPLICA, CLOSED):
        assert step(me, None, OTHER, OTHER, unsettled=LONG).do == "stay"


def test_a_named_primary_and_its_linked_replicas_serve() -> None:
    assert step(PRIMARY, named("valkey-0"), REPLICA, OTHER).do == "serve"
    assert step(REPLICA, named("valkey-0"), PRIMARY, OTHER).do == "serve"


def test_a_replica_that_is_not_linked_yet_waits() -> None:
    assert step(replace(REPLICA, linked=False), named("valkey-0"), PRIMARY, OTHER).do == "stay"


def test_a_closed_member_follows_the_primary_that_serves() -> None:
    me = replace(CLOSED, name="valkey-1")
    assert step(me, named("valkey-0"), PRIMARY, OTHER) == Step("follow", "valkey-0", "valkey-0 leads")


def test_a_primary_whose_agent_is_silent_is_judged_by_the_sentinels() -> None:
    me = replace(CLOSED, name="valkey-1")
    assert step(me, named("valkey-0"), None, OTHER).do == "follow"
    assert step(me, named("valkey-0", down=True), None, OTHER).do == "stay"


def test_a_stale_primary_gives_way() -> None:
    assert step(PRIMARY, named("valkey-1", 4), replace(REPLICA, role="primary"), OTHER).do == "follow"


def test_a_primary_just_promoted_waits_for_the_sentinels_to_be_told() -> None:
    promoted = replace(PRIMARY, name="valkey-1")
    assert step(promoted, named("valkey-0"), PRIMARY, OTHER, leading=PROMOTED_SECONDS / 2).do == "stay"


def test_a_primary_tells_sentinels_that_have_lost_their_memory() -> None:
    me = replace(PRIMARY, name="valkey-1")
    assert step(me, named("valkey-0", 0), REPLICA, OTHER) == Step(
        "appoint", "valkey-1", "the Sentinels know epoch 0, the data 3"
    )
    # …and the one that they name instead doesn't take the place
    assert (
        step(replace(REPLICA, name="valkey-0"), named("valkey-0", 0), me, OTHER, unsettled=LONG).do == "stay"
    )


def test_a_restarted_primary_gives_its_place_to_a_replica_that_lived_on() -> None:
    """Its file is older than what the replica has in memory: the twin of the worst case in the issue."""
    ahead = replace(OTHER, offset=950)
    assert step(CLOSED, named("valkey-0"), REPLICA, ahead).who == "valkey-2"
    assert step(CLOSED, named("valkey-0"), REPLICA, ahead).do == "appoint"


@pytest.mark.parametrize("role", ["down", "closed"])
def test_so_it_does_while_its_server_is_down(role: str) -> None:
    me = replace(CLOSED, role=role)  # type: ignore[arg-type]
    assert step(me, named("valkey-0"), REPLICA, OTHER).do == "appoint"


def test_a_server_that_is_slow_is_left_to_the_sentinels() -> None:
    me = replace(PRIMARY, role="stuck")
    assert step(me, named("valkey-0"), REPLICA, OTHER, unsettled=LONG).do == "stay"


def test_a_primary_that_is_slow_keeps_its_place_as_long_as_the_sentinels_bear_with_it() -> None:
    """A value that is larger than a replica's buffer ends the replicas' links, too, and all are slow then."""
    slow = View("valkey-0", "stuck")
    lost = replace(REPLICA, linked=False)
    for epoch in (3, 4):
        assert step(lost, named("valkey-0", epoch), slow, OTHER, unsettled=LONG / 100).do == "stay"
    for me in (replace(lost, source="10.0.0.3"), replace(CLOSED, name="valkey-1")):
        assert step(me, named("valkey-0"), slow, OTHER, unsettled=LONG / 100).do == "stay"
    down = named("valkey-0", down=True)
    assert step(lost, down, slow, replace(OTHER, linked=False), unsettled=LONG / 100).do == "appoint"


def test_a_frozen_primary_is_told_before_it_wakes() -> None:
    me = replace(PRIMARY, role="stuck")
    assert step(me, named("valkey-1", 4), replace(REPLICA, role="primary"), OTHER).do == "follow"


def test_live_replicas_let_the_sentinels_choose_first() -> None:
    best = replace(REPLICA, offset=950, linked=False)
    gone = named("valkey-0", down=True)
    assert step(best, gone, None, OTHER, unsettled=SENTINELS_FIRST_SECONDS / 2).do == "stay"
    assert step(best, gone, None, OTHER, unsettled=SENTINELS_FIRST_SECONDS + 1).do == "appoint"
    assert (
        step(replace(OTHER, linked=False), gone, None, best, unsettled=SENTINELS_FIRST_SECONDS + 1).do
        == "stay"
    )


def cold(name: str, tick: int, epoch: int = 3, offset: int = 0) -> View:
    return View(name, "closed", epoch=epoch, tick=tick, offset=offset)


def test_on_a_cold_start_the_freshest_leads_whoever_is_named() -> None:
    views = [cold("valkey-0", 10), cold("valkey-1", 12), cold("valkey-2", 11)]
    for me in views:
        others = [view for view in views if view is not me]
        expected = "appoint" if me.name == "valkey-1" else "stay"
        assert step(me, named("valkey-0"), *others).do == expected


def test_a_later_epoch_counts_more_than_a_longer_life() -> None:
    old, new = cold("valkey-0", 900, epoch=3), cold("valkey-1", 5, epoch=4)
    assert step(new, named("valkey-0"), old, cold("valkey-2", 0, 0)).do == "appoint"


def test_an_empty_set_starts_with_the_named_member() -> None:
    views = [cold(name, 0, 0) for name in PODS]
    assert step(views[0], named("valkey-0", 0), *views[1:]).do == "appoint"
    assert step(views[1], named("valkey-0", 0), views[0], views[2]).do == "stay"


def test_members_that_cannot_be_asked_are_waited_for_but_not_for_ever() -> None:
    me = cold("valkey-0", 10)
    early = step(me, named("valkey-0"), cold("valkey-1", 5), None, unsettled=ABSENT_SECONDS - 1)
    assert early.do == "stay"
    assert "valkey-2" in early.why
    assert (
        step(me, named("valkey-0"), cold("valkey-1", 5), None, unsettled=ABSENT_SECONDS + 1).do == "appoint"
    )


def test_a_member_that_reads_its_data_is_waited_for_longer() -> None:
    me, reading = cold("valkey-0", 10), View("valkey-2", "loading")
    others = (cold("valkey-1", 5), reading)
    assert step(me, named("valkey-0"), *others, unsettled=ABSENT_SECONDS + 1).do == "stay"
    assert step(me, named("valkey-0"), *others, unsettled=LOADING_SECONDS + 1).do == "appoint"


def test_a_primary_that_has_taken_no_write_gives_way_to_fresher_data() -> None:
    """It led alone after a cold start, without a replica, and so without its clock."""
    alone = View("valkey-0", "primary", open=True, epoch=3, tick=5)
    for role in ("closed", "replica", "primary"):
        me = replace(cold("valkey-1", 9), role=role)  # type: ignore[arg-type]
        assert step(me, named("valkey-0", 4), alone, None) == Step(
            "appoint", "valkey-1", "valkey-0 leads with older data, and hasn't taken a write yet"
        )


def test_a_restarted_member_with_old_data_gives_it_no_replica_before_the_others_have_their_say() -> None:
    """With one it takes writes, and then it is too late for fresher data."""
    alone = View("valkey-0", "primary", open=True, epoch=3, tick=5)
    me = cold("valkey-1", 4)
    for other in (None, View("valkey-2", "loading"), View("valkey-2", "down"), cold("valkey-2", 9)):
        early = step(me, named("valkey-0", 4), alone, other, unsettled=TOGETHER_SECONDS - 1)
        assert early == Step("stay", why="valkey-2 may have fresher data than valkey-0")
        assert step(me, named("valkey-0", 4), alone, other, unsettled=TOGETHER_SECONDS).do == "follow"
    assert step(me, named("valkey-0", 4), alone, cold("valkey-2", 5)).do == "follow"
    live = replace(me, role="replica", source="10.0.0.9")
    assert step(live, named("valkey-0", 4), alone, None).do == "follow"


def test_nor_while_it_is_not_known_how_fresh_that_primary_is() -> None:
    """Its agent is silent for a moment, and the Sentinels don't take it for down."""
    me, opinion = cold("valkey-1", 4), named("valkey-0", 4)
    for other in (None, cold("valkey-2", 9)):
        early = step(me, opinion, None, other, unsettled=TOGETHER_SECONDS - 1)
        assert early == Step("stay", why="valkey-0 doesn't say how fresh it is")
        assert step(me, opinion, None, other, unsettled=TOGETHER_SECONDS).do == "follow"
    assert step(me, opinion, None, replace(REPLICA, name="valkey-2")).do == "follow"


def test_once_it_has_counted_a_second_of_its_own_it_stays() -> None:
    leads = View("valkey-0", "primary", open=True, epoch=4, tick=6)
    assert step(cold("valkey-1", 9), named("valkey-0", 4), leads, None).do == "follow"


def test_a_replica_adrift_is_closed() -> None:
    adrift = replace(REPLICA, linked=False)
    assert step(adrift, named("valkey-0"), PRIMARY, OTHER, unsettled=ADRIFT_SECONDS + 1).do == "close"
    shut = replace(adrift, open=False)
    assert step(shut, named("valkey-0"), PRIMARY, OTHER, unsettled=ADRIFT_SECONDS + 1).do == "stay"


def test_a_promoted_primary_does_not_follow_one_that_is_gone() -> None:
    """Its predecessor died before it could tell the Sentinels."""
    me = replace(PRIMARY, name="valkey-1")
    gone = named("valkey-0", down=True)
    assert step(me, gone, None, cold("valkey-2", 5), unsettled=LONG).do == "appoint"


def test_a_linked_replica_of_a_primary_that_is_found_down_does_not_serve() -> None:
    assert step(REPLICA, named("valkey-0", down=True), None, OTHER).do == "stay"


VIEWS = st.builds(
    cold, name=st.just(""), tick=st.integers(0, 3), epoch=st.integers(0, 2), offset=st.integers(0, 3)
)  # fmt: skip


@given(st.tuples(VIEWS, VIEWS, VIEWS), st.sampled_from(sorted(PODS)))
def test_whatever_they_have_exactly_one_leads(drawn: tuple[View, View, View], primary: str) -> None:
    views = [replace(view, name=name) for view, name in zip(drawn, PODS, strict=True)]
    leaders = [
        me
        for me in views
        if step(me, named(primary, 2), *(view for view in views if view is not me)).do == "appoint"
    ]
    assert len(leaders) == 1
    assert leaders[0].freshness == max(view.freshness for view in views)
