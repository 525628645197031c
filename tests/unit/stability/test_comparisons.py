"""Comparisons of made-up results: what counts as worse, and what doesn't."""

from __future__ import annotations

import copy
import random
import time
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from statistics import median, pstdev
from typing import Any

import pytest

from filewallball.errors import ConfigError
from filewallball.stability import compare, noise, polls, saved, states
from filewallball.stability.changes import Change
from filewallball.stability.segments import LIMITS_MS, figures

NOW = time.time()


def poll(
    seed: int,
    *,
    factor: float = 1.0,
    machine: float = 1.0,
    stalls: float = 0.0,
    busy: float = 0.0,
    seconds: int = 30,
    **fields: Any,
) -> dict[str, Any]:
    """A poll of a server `factor` times as slow, on a machine `machine` times as slow.

    `stalls`: the share of requests that the server holds up; `busy`: that this machine holds up.
    """
    made = random.Random(seed)

    def times(middle: float) -> list[float]:
        return [middle * machine * made.lognormvariate(0, 0.3) for _ in range(100)]

    def held_up(middle: float, share: float) -> list[float]:
        """Some are 5 ms late, of the server's part or of both."""
        return [each + 5000 * (made.random() < share) for each in times(middle)]

    segments = [
        {"second": round(number * 0.4, 1), "requests": 100, "errors": 0,
         "served": figures(served := held_up(60 * factor, busy + stalls)), "whole": figures(served),
         "reference": figures(held_up(40, busy))}
        for number in range(int(seconds / 0.4))
    ]  # fmt: skip
    return {
        "format": 2, "kind": "poll", "target": "dev", "at": "2026-11-26T10:00:00+00:00", "ok": True,
        "deployment": {"kind": "stand-alone", "shards": 1}, "connections": 1, "seconds": seconds,
        "rate": 500, "achieved": 500,
        "errors": {}, "lost_writes": 0, "longest_outage": 0.0, "failovers": [],
        "shards": [{"shard": 0, "primary": "a:1", "segments": segments}], **fields,
    }  # fmt: skip


def node(**fields: Any) -> dict[str, Any]:
    return {
        "address": "a:1",
        "shard": 0,
        "role": "primary",
        "says": "primary",
        "version": "redis 7.0.15",
        **fields,
    }


def state(nodes: list[dict[str, Any]], *, later: float = 0.0, **fields: Any) -> dict[str, Any]:
    deployment = {"kind": "cluster", "slots_covered": 16384, "silent": {}, "shards": [{}]}
    at = datetime.fromtimestamp(NOW + later, UTC).isoformat(timespec="seconds")
    return {
        "format": 2,
        "kind": "state",
        "at": at,
        "deployment": deployment,
        "nodes": nodes,
        "results": [],
        **fields,
    }


def verdicts(found: list[Change]) -> dict[str, str]:
    return {each.subject: each.verdict for each in found if each.verdict not in ("same", "not judged")}


def test_polls_of_an_unchanged_server_are_the_same() -> None:
    for seed in range(8):
        assert not verdicts(polls.compare(poll(seed), poll(seed + 100)))


def test_a_fifth_slower_is_worse_and_a_fifth_faster_is_better() -> None:
    for seed in range(8):
        slower = verdicts(polls.compare(poll(seed), poll(seed + 100, factor=1.2)))
        assert slower["latency p50"] == "worse"
        faster = verdicts(polls.compare(poll(seed, factor=1.2), poll(seed + 100)))
        assert faster["latency p50"] == "better"


def test_a_slower_machine_is_not_the_server_and_hides_no_slower_one() -> None:
    for seed in range(4):
        assert "worse" not in verdicts(polls.compare(poll(seed), poll(seed + 50, machine=1.3))).values()
        found = verdicts(polls.compare(poll(seed), poll(seed + 50, machine=1.3, factor=1.2)))
        assert found["latency p50"] == "worse"
        hidden = verdicts(polls.compare(poll(seed, machine=1.3), poll(seed + 50, factor=1.2)))
        assert hidden["latency p50"] == "worse"


def test_stalls_of_the_server_are_worse_and_those_of_the_machine_are_not() -> None:
    for seed in range(8):
        found = polls.compare(poll(seed, busy=0.01), poll(seed + 100, busy=0.01, stalls=0.02))
        assert verdicts(found) == {"stalls": "worse"}
        assert not verdicts(polls.compare(poll(seed, busy=0.01), poll(seed + 100, busy=0.03)))


def test_a_reference_that_is_held_up_less_makes_no_stalls_of_the_server() -> None:
    early, late = poll(1, busy=0.03), poll(2, busy=0.03)
    for each in late["shards"][0]["segments"]:
        each["reference"]["over"] = [0] * len(LIMITS_MS)
    assert not verdicts(polls.compare(early, late))


def test_one_long_stall_is_chance() -> None:
    late = poll(2)
    late["shards"][0]["segments"][40]["served"]["over"] = [1] * len(LIMITS_MS)
    assert not verdicts(polls.compare(poll(1), late))


def test_in_much_noise_nothing_is_told_for_sure() -> None:
    made = random.Random(1)
    noisy = [poll(seed) for seed in (1, 2)]
    for each in (segment for one in noisy for segment in one["shards"][0]["segments"]):
        each["served"]["p50"] *= made.lognormvariate(0, 1.0)
    found = polls.compare(*noisy)
    [row] = [each for each in found if each.subject == "latency p50"]
    assert (row.verdict, row.why.endswith(polls.LONGER)) == ("unsure", True)


def test_too_short_polls_say_so() -> None:
    found = polls.compare(poll(1, seconds=4), poll(2, seconds=4, factor=2))
    assert verdicts(found) == {"latency p50": "unsure", "stalls": "unsure"}


def test_one_slower_shard_of_three_is_found() -> None:
    early, late = ([poll(seed + number)["shards"][0] for number in range(3)] for seed in (1, 11))
    slow = [*late[:2], poll(20, factor=1.3)["shards"][0]]
    for one in (early, late, slow):
        for place, shard in enumerate(one):
            shard["shard"] = place
    same = polls.compare(poll(1, shards=early), poll(1, shards=late))
    assert not verdicts(same)
    found = polls.compare(poll(1, shards=early), poll(1, shards=slow))
    assert verdicts(found)["latency p50 of shard 2"] == "worse"


@pytest.mark.parametrize(
    ("before", "after", "subject"),
    [
        ({}, {"errors": {"TimeoutError": 9}}, "failed requests"),
        ({}, {"lost_writes": 1}, "lost writes"),
        ({}, {"longest_outage": 2.0}, "longest outage"),
        ({}, {"achieved": 400}, "requests/s achieved"),
    ],
)
def test_trouble_of_a_poll_is_worse_and_its_end_better(
    before: dict[str, Any], after: dict[str, Any], subject: str
) -> None:
    assert verdicts(polls.compare(poll(1, **before), poll(2, **after))) == {subject: "worse"}
    assert verdicts(polls.compare(poll(1, **after), poll(2, **before))) == {subject: "better"}


def test_a_few_errors_are_chance() -> None:
    assert not verdicts(
        polls.compare(poll(1, errors={"TimeoutError": 5}), poll(2, errors={"TimeoutError": 9}))
    )


def test_polls_at_different_rates_are_not_compared() -> None:
    with pytest.raises(ConfigError, match="500 and 100 requests a second"):
        polls.compare(poll(1), poll(2, rate=100))


def test_keys_that_expired_are_no_loss() -> None:
    expiries = [NOW + second for second in range(100)]
    before = state([node(keys=150, expiring=100, expiries=expiries)])
    after = state([node(keys=90, expiring=40, expiries=[])], later=60)
    assert verdicts(states.compare(before, after)) == {"keys with a TTL": "changed"}


def test_keys_that_are_gone_before_their_time_are_lost() -> None:
    before = state([node(keys=150, expiring=100, expiries=[NOW + 1000] * 100)])
    after = state([node(keys=140, expiring=90, expiries=[])], later=60)
    assert verdicts(states.compare(before, after)) == {"keys with a TTL": "worse"}


def test_of_many_keys_a_sample_tells() -> None:
    half = [NOW + 10] * 50 + [NOW + 1000] * 50
    before = state([node(keys=100_000, expiring=100_000, expiries=half)])
    kept = state([node(keys=48_000, expiring=48_000, expiries=[])], later=60)
    lost = state([node(keys=40_000, expiring=40_000, expiries=[])], later=60)
    assert verdicts(states.compare(before, kept)) == {"keys with a TTL": "changed"}
    assert verdicts(states.compare(before, lost)) == {"keys with a TTL": "worse"}


def test_keys_without_a_ttl_are_lost_unless_evicted() -> None:
    before = state([node(keys=100, evicted=5)])
    assert verdicts(states.compare(before, state([node(keys=99, evicted=5)]))) == {
        "keys without a TTL": "worse"
    }
    assert verdicts(states.compare(before, state([node(keys=90, evicted=15)]))) == {
        "keys without a TTL": "changed"
    }
    assert verdicts(states.compare(before, state([node(keys=101, evicted=5)]))) == {
        "keys without a TTL": "changed"
    }


@pytest.mark.parametrize(
    ("change", "subject"),
    [
        (lambda late: late["nodes"].pop(), "replicas that answer"),
        (lambda late: late["nodes"][1].update(linked=False), "replicas that answer"),
        (lambda late: late["nodes"][0].update(aof=False), "nodes with an AOF"),
        (lambda late: late["deployment"].update(slots_covered=16000), "slots covered"),
        (lambda late: late["deployment"].update(silent={"b:2": "gone"}), "nodes that do not answer"),
        (lambda late: late["results"][0].update(status="failed"), "memory"),
    ],
)
def test_what_a_state_has_lost_is_worse(change: Callable[[dict[str, Any]], Any], subject: str) -> None:
    result = {"name": "memory", "status": "ok", "observed": ""}
    before = state([node(aof=True), node(role="replica", says="replica", address="a:2")], results=[result])
    after = copy.deepcopy(before)
    change(after)
    assert verdicts(states.compare(before, after))[subject] == "worse"
    assert verdicts(states.compare(after, before))[subject] == "better"


def test_memory_comes_and_goes_and_a_replica_falls_behind() -> None:
    before = state([node(used_memory=100 << 20), node(role="replica", says="replica", address="a:2")])
    after = copy.deepcopy(before)
    after["nodes"][0]["used_memory"] = 150 << 20
    after["nodes"][1]["behind"] = 2 << 20
    assert verdicts(states.compare(before, after)) == {
        "memory used": "changed",
        "bytes behind, of the last replica": "worse",
    }
    assert verdicts(states.compare(after, before))["bytes behind, of the last replica"] == "better"


def test_another_primary_is_told_and_no_fault() -> None:
    before = state([node(), node(role="replica", says="replica", address="a:2")])
    after = state([node(address="a:2"), node(role="replica", says="replica", address="a:1")])
    found = states.compare(before, after)
    assert verdicts(found) == {"nodes that are primaries": "changed"}
    row = next(each for each in found if each.verdict == "changed")
    assert (row.before, row.after) == ("a:1", "a:2")


def test_a_new_version_is_told_and_no_fault() -> None:
    found = states.compare(state([node()]), state([node(version="redis 7.2.4")]))
    assert verdicts(found) == {"versions": "changed"}


def test_files_that_cannot_be_compared(tmp_path: Path) -> None:
    one, other, broken = tmp_path / "a.json", tmp_path / "b.json", tmp_path / "c.json"
    saved.write(one, poll(1))
    saved.write(other, state([node()]))
    with pytest.raises(ConfigError, match=r"a\.json is a poll, and .*b\.json is a state"):
        compare.run(one, other, None)
    for text, said in (("{", "not JSON"), ("[]", "no result"), ('{"kind": "poll"}', "format None")):
        broken.write_text(text)
        with pytest.raises(ConfigError, match=said):
            compare.run(one, broken, None)
    saved.write(broken, {"kind": "poll", "at": "2027", "rate": 500})
    with pytest.raises(ConfigError, match="is not whole"):
        compare.run(one, broken, None)
    saved.write(broken, poll(2, at="2026-11-26T09:00:00+00:00"))
    with pytest.raises(ConfigError, match="was taken after"):
        compare.run(one, broken, None)
    with pytest.raises(ConfigError, match="draws polls"):
        compare.run(other, other, tmp_path / "x.svg")


def test_exit_codes_and_the_plot(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other, slow = (tmp_path / f"{name}.json" for name in "abc")
    saved.write(one, poll(1))
    saved.write(other, poll(2))
    saved.write(slow, poll(3, factor=1.3))
    assert compare.run(one, other, tmp_path / "x.svg") == 0
    assert "compare: OK" in capsys.readouterr().out
    assert "<svg" in (tmp_path / "x.svg").read_text(encoding="utf-8")
    assert compare.run(one, slow, None) == 1
    assert "compare: FAILED (" in capsys.readouterr().out
    assert compare.run(one, slow, None, as_json=True) == 1
    assert '"ok": false' in capsys.readouterr().out
    saved.write(other, poll(2, seconds=4))
    assert compare.run(one, other, None) == 0
    assert "compare: WARNING (too much noise to tell: latency p50, stalls. Poll" in capsys.readouterr().out


def test_the_error_of_a_difference_is_what_repetitions_show() -> None:
    made = random.Random(1)

    def values() -> list[float]:
        return [made.gauss(10, 1) for _ in range(100)]

    for of in (noise.of_medians, noise.of_means):
        found = [of(values(), values()) for _ in range(400)]
        spread = pstdev(each.value for each in found)
        assert spread == pytest.approx(median(each.error for each in found), rel=0.2)
        assert sum(each.beyond(3) for each in found) < 12
