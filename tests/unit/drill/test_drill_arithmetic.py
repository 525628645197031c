"""The drill's arithmetic, on records that were made up."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filewallball.drill import arithmetic
from filewallball.drill.figures import Circumstances, figures
from filewallball.drill.load.recording import Ack, Event, Probe, Recording, State

times = st.lists(st.floats(0, 100, allow_nan=False), max_size=60)


def every(step: float, begin: float, end: float) -> list[float]:
    return [begin + step * index for index in range(round((end - begin) / step))]


def accepted(*moments: float) -> list[Probe]:
    return [Probe(at - 0.001, at, "accepted") for at in moments]


def refused(*moments: float) -> list[Probe]:
    return [Probe(at - 0.001, at, "readonly") for at in moments]


def test_gap_around_the_event():
    answered = every(0.01, 0, 5) + every(0.01, 7.5, 10)
    assert arithmetic.longest_gap(answered, since=5, until=10, interval=0.01) == pytest.approx(2.5, abs=0.02)


def test_gap_before_the_event_does_not_count():
    answered = [*every(0.01, 0, 1), *every(0.01, 3, 10)]
    assert arithmetic.longest_gap(answered, since=5, until=10, interval=0.01) == pytest.approx(0, abs=0.001)


def test_gap_that_began_before_the_event_counts_from_the_last_answer():
    assert arithmetic.longest_gap([1.0, 2.0, 6.0], since=3, until=7) == 4.0


def test_what_never_comes_back_counts_to_the_end():
    assert arithmetic.longest_gap(every(0.1, 0, 5), since=5, until=20) == pytest.approx(15.1, abs=0.01)
    assert arithmetic.longest_gap([], since=5, until=20) == 15


def test_answers_after_the_end_are_none():
    assert arithmetic.longest_gap([4.0, 30.0], since=5, until=20) == 16.0


@given(times, st.floats(0, 100), st.floats(0, 100), st.floats(0, 1))
def test_gap_is_never_negative_and_never_longer_than_the_record(answered, one, other, interval):
    since, until = sorted((one, other))
    gap = arithmetic.longest_gap(answered, since=since, until=until, interval=interval)
    assert 0 <= gap <= until - min([since, *answered])


@given(times, st.floats(0, 50), st.floats(50, 100))
def test_one_more_answer_never_makes_the_gap_longer(answered, since, extra):
    without = arithmetic.longest_gap(answered, since=since, until=100)
    assert arithmetic.longest_gap([*answered, extra], since=since, until=100) <= without


@given(times, st.floats(0, 50), st.floats(-1000, 1000))
def test_gap_does_not_depend_on_where_the_clock_begins(answered, since, shift):
    here = arithmetic.longest_gap(answered, since=since, until=100)
    there = arithmetic.longest_gap([t + shift for t in answered], since=since + shift, until=100 + shift)
    assert here == pytest.approx(there, abs=1e-6)


def test_loss_tells_plain_from_waited():
    acks = [Ack(1, 0.9, 1.0), Ack(2, 1.9, 2.0, 1), Ack(3, 2.9, 3.0, 0), Ack(4, 3.9, 4.0, 2)]
    found = arithmetic.loss(acks, [2, 3], event=5.0)
    assert (found.waited, found.plain, found.total, found.oldest) == (1, 1, 2, 3.0)


def test_nothing_lost():
    assert arithmetic.loss([Ack(1, 0, 1)], [], event=5.0) == arithmetic.Loss(0, 0, None)


@given(st.sets(st.integers(1, 200)), st.sets(st.integers(1, 200)))
def test_every_lost_write_is_counted_once(written, lost):
    acks = [Ack(seq, seq, seq + 0.5, 1 if seq % 10 == 0 else None) for seq in sorted(written)]
    found = arithmetic.loss(acks, lost & written, event=100.0)
    assert found.total == len(lost & written)
    assert found.waited == sum(1 for seq in lost & written if seq % 10 == 0)


def test_lost_before_a_save():
    acks = [Ack(1, 0, 1.0), Ack(2, 1, 2.0), Ack(3, 2, 3.0)]
    assert arithmetic.lost_before(acks, [1, 3], 2.5) == 1


def test_a_handover_has_one_primary():
    probes = {"a": accepted(1.0, 1.1, 1.2), "b": refused(1.0, 1.1) + accepted(1.25, 1.3)}
    assert arithmetic.primaries(probes) == arithmetic.Primaries(1, 0.0)


def test_split_brain_is_two_for_as_long_as_both_accept():
    probes = {"a": accepted(*every(0.1, 0, 5)), "b": accepted(*every(0.1, 3, 8))}
    found = arithmetic.primaries(probes)
    assert found.most == 2
    assert found.overlap == pytest.approx(1.9, abs=0.01)


def test_a_single_write_of_a_woken_primary_is_seen():
    probes = {"a": accepted(*every(0.1, 3, 8)), "b": accepted(1.0) + accepted(5.55) + refused(5.6)}
    assert arithmetic.primaries(probes).most == 2


def test_a_refusal_between_two_acceptances_ends_the_first():
    probes = {"a": accepted(1.0) + refused(1.1) + accepted(1.2), "b": accepted(1.1)}
    assert arithmetic.primaries(probes).most == 1


def test_silence_on_the_outside_says_nothing_of_the_inside():
    silent = [Probe(at, at + 0.05, "silent") for at in every(0.1, 0, 5)]
    probes = {"a": accepted(*every(0.1, 0, 5)) + silent, "b": accepted(*every(0.1, 3, 8))}
    assert arithmetic.primaries(probes).overlap == pytest.approx(1.9, abs=0.01)


def test_no_primary_at_all():
    assert arithmetic.primaries({"a": refused(1, 2), "b": []}) == arithmetic.Primaries(0, 0.0)


@given(st.lists(st.lists(st.floats(0, 10), max_size=20), max_size=4))
def test_never_more_primaries_than_members(moments):
    probes = {str(index): accepted(*each) for index, each in enumerate(moments)}
    found = arithmetic.primaries(probes)
    assert found.most <= len(moments)
    assert (found.most > 0) == any(moments)
    assert found.overlap >= 0


def test_detection_by_a_sentinel_or_by_a_successor():
    events = [Event(4.0, "s", "+new-epoch", ""), Event(6.2, "s", "+sdown", "")]
    probes = {"a": accepted(6.0), "b": accepted(6.1)}
    assert arithmetic.detection(events, probes, "a", event=5.0) == pytest.approx(1.1)
    assert arithmetic.detection(events, {}, "a", event=5.0) == pytest.approx(1.2)
    assert arithmetic.detection([], {"a": accepted(6.0)}, "a", event=5.0) is None


def test_redundancy_is_when_it_became_whole_for_good():
    states = [State(1, True, ""), State(5, False, "x"), State(7, True, ""), State(8, False, "y")]
    assert arithmetic.redundancy(states, event=4.0) is None
    assert arithmetic.redundancy([*states, State(9, True, "")], event=4.0) == 5.0
    assert arithmetic.redundancy(states[:1], event=4.0) == 0.0
    assert arithmetic.redundancy([], event=4.0) is None


def recording() -> Recording:
    """A primary `a` that died at 10; `b` took over at 12, and seven writes were lost."""
    moments = every(0.01, 5, 10) + every(0.01, 12, 15)
    return Recording(
        0.01,
        began=5.0,
        ended=15.0,
        acks=[Ack(seq, at - 0.001, at, 1 if seq % 10 == 0 else None) for seq, at in enumerate(moments, 1)],
        errors=[(11.0, "TimeoutError: gone")],
        reads={"primary": every(0.01, 5, 10) + every(0.01, 12.5, 15), "replica": every(0.01, 5, 15)},
        probes={"a": accepted(*every(0.1, 5, 10)), "b": accepted(*every(0.1, 12, 15))},
        events=[Event(11.0, "s", "+sdown", "master")],
        states=[State(5, True, ""), State(10.2, False, "a doesn't answer"), State(13.0, True, "")],
        lost=[494, 495, 496, 497, 498, 499, 500],
        verified=True,
        longest_stall=0.02,
        waiter_interval=0.04,
        waited=every(0.01, 5, 10) + every(0.01, 12.8, 15),
        waited_in_vain=3,
        waited_lost=2,
    )


def test_figures_of_a_round():
    found = figures(recording(), Circumstances("process-killed", 3, "now", "a", 10.0))
    assert (found.event, found.number, found.failed) == ("process-killed", 3, "")
    assert found.detection == pytest.approx(1.0)
    assert found.outage == pytest.approx(2.0, abs=0.02)
    assert found.read_outages == {
        "primary": pytest.approx(2.51, abs=0.02),
        "replica": pytest.approx(0.01, abs=0.001),
    }
    assert (found.writes, found.gave_up, found.lost_waited, found.lost_plain) == (800, 1, 1 + 2, 6)
    assert found.waited_outage == pytest.approx(2.8 + 0.01 - 0.04, abs=0.001)
    assert (found.waited_writes, found.waited_in_vain) == (720, 3)
    assert found.oldest_lost == pytest.approx(0.07, abs=0.001)
    assert found.rate == pytest.approx(100, rel=0.02)
    assert (found.primaries, found.overlap, found.lone_writes) == (1, 0.0, None)
    assert found.redundancy == pytest.approx(3.0)


def test_lone_primary_is_seen_from_the_inside():
    lone = [*accepted(*every(0.05, 9, 14)), Probe(14, 14.3, "noreplicas")]
    found = figures(recording(), Circumstances("network-cut", 1, "now", "a", 10.0, lone=lone))
    assert found.lone_writes == 79
    assert found.lone_last == pytest.approx(3.95)
    assert found.primaries == 2
    assert found.overlap == pytest.approx(1.95, abs=0.01)


def test_lone_primary_that_never_accepted_anything():
    found = figures(recording(), Circumstances("network-cut", 1, "now", "a", 10.0, lone=[]))
    assert (found.lone_writes, found.lone_last) == (0, None)


def test_writes_that_a_save_held_are_told_apart():
    about = Circumstances("all-pods", 1, "now", "a", 10.0, saved=9.96)
    found = figures(recording(), about)
    assert (found.saved, found.lost_saved) == (496, 3)


def test_round_that_could_not_be_looked_up_has_failed():
    record = recording()
    record.verified = False
    found = figures(record, Circumstances("process-killed", 1, "now", "a", 10.0, failed="not whole"))
    assert found.failed == "not whole; the acknowledged writes couldn't be looked up"


def test_recording_survives_its_way_through_json():
    record = recording()
    assert Recording.from_json(json.loads(json.dumps(record.to_json()))) == record


def test_a_failover_that_all_sentinels_announce_counts_once():
    heard = [
        Event(1.0, "s-0", "+switch-master", "m 10.0.0.1 6379 10.0.0.2 6379"),
        Event(5.0, "s-0", "+sdown", "slave 10.0.0.3"),
        Event(5.1, "s-0", "+switch-master", "m 10.0.0.2 6379 10.0.0.1 6379"),
        Event(5.2, "s-1", "+switch-master", "m 10.0.0.2 6379 10.0.0.1 6379"),
        Event(5.3, "s-1", "+try-failover", "master m 10.0.0.1 6379"),
    ]
    assert arithmetic.failovers(heard, event=4.0) == 2
    assert arithmetic.failovers(heard[:2], event=4.0) == 0


def test_an_answer_that_comes_out_late_after_a_cut_is_no_late_write():
    record = recording()
    record.probes["a"] = [*record.probes.get("a", []), Probe(11.0, 23.4, "accepted")]
    lone = accepted(*every(0.05, 9, 14))
    found = figures(record, Circumstances("network-cut-out", 1, "now", "a", 10.0, lone=lone))
    assert found.lone_last == pytest.approx(3.95)
