"""From what users saw to figures, to limits, and to a report."""

from __future__ import annotations

import io
import json
from pathlib import Path
from typing import Any

import pytest
from made_up_web import ABOUT, POD, a_round, healthy, passages, recording, refused, sample, views
from rich.console import Console

from filewallball.drill import report
from filewallball.drill.balancer import limits, summary
from filewallball.drill.balancer.arithmetic import disagreements, failed, failed_again, percentile, reasons
from filewallball.drill.balancer.events import BY_NAME, EVENTS
from filewallball.drill.balancer.figures import Circumstances, figures
from filewallball.drill.balancer.results import Round
from filewallball.drill.balancer.tool import BALANCER
from filewallball.drill.load.web.recording import Health, Recording, View
from filewallball.drill.results import Journal
from filewallball.errors import ConfigError

BOTH = ("app-0", "app-2")


def test_recording_survives_its_way_through_json():
    before = recording([sample(1.0), refused(2.0, again=True)], uploads_lost=["f: 404"])
    assert Recording.from_json(json.loads(json.dumps(before.to_json()))) == before


@pytest.mark.parametrize(
    ("times", "part", "found"),
    [([], 0.99, 0.0), ([3.0], 0.5, 3.0), (list(range(1, 101)), 0.99, 99), (list(range(1, 101)), 0.5, 50),
     (list(range(1, 11)), 0.999, 10)],
)  # fmt: skip
def test_percentile_is_a_time_that_was_measured(times, part, found):
    assert percentile(times, part) == found


WAIT = {"status": 503, "right": False, "retry_after": True}


@pytest.mark.parametrize(
    ("one", "database_gone", "is_failed", "is_failed_again"),
    [
        (sample(1.0), False, False, False),
        (sample(1.0, status=502, right=False), False, True, True),
        (sample(1.0, right=False), False, True, True),
        (refused(1.0, again=True), False, True, False),
        (refused(1.0, again=False), False, True, True),
        (sample(1.0, "front page", **WAIT), False, True, True),
        (sample(1.0, "front page", **WAIT), True, False, False),
        (sample(1.0, "front page", **WAIT | {"retry_after": False}), True, True, True),
        (sample(1.0, "front page", status=500, right=False), True, True, True),
        (sample(1.0, "metadata", **WAIT), True, True, True),  # it is cached
    ],
)
def test_what_counts_as_failed(one, database_gone, is_failed, is_failed_again):
    assert failed(one, database_gone=database_gone) is is_failed
    assert failed_again(one, database_gone=database_gone) is is_failed_again


def test_failures_are_counted_by_their_reason():
    wrong = [sample(1.0, status=502, right=False)] * 2
    wrong += [refused(1.0, again=True), sample(1.0, right=False)]
    wrong += [sample(1.0, "upload", status=200, right=False)]
    assert reasons(wrong) == {"alive: 502": 2, "alive: refused": 1, "alive: wrong bytes": 1, "upload: 200": 1}


# ---- does the status page agree with where nginx sends? ----


def test_a_status_page_that_says_what_nginx_does():
    assert disagreements(views(0, 30), passages(0, 30), healthy(0, 30), 10.0) == []


def test_a_server_that_is_left_out_and_comes_back():
    seen = [*views(0, 10), *views(10, 20, BOTH), *views(20, 30)]
    sent = [*passages(0, 9.5), *passages(9.5, 20.5, BOTH), *passages(20.5, 30)]
    assert disagreements(seen, sent, healthy(0, 30), 10.0) == []


def test_a_page_that_is_late_by_less_than_a_second():
    seen = [*views(0, 10), *views(10, 20, BOTH), *views(20, 30)]
    sent = [*passages(0, 9.2), *passages(9.2, 19.2, BOTH), *passages(19.2, 30)]
    assert disagreements(seen, sent, healthy(0, 30), 10.0) == []


def test_a_page_that_says_down_while_nginx_sends():
    seen = [*views(0, 10), *views(10, 20, BOTH), *views(20, 30)]
    [found] = disagreements(seen, passages(0, 30), healthy(0, 30), 7.0)
    assert found == f"{POD} sent a request to app-1, which it said gets none (3.9 s after the event)"


def test_a_request_that_has_failed_everywhere_else_may_go_to_a_server_that_is_left_out():
    def found(*failing: str) -> list[str]:
        seen = [*views(0, 10), *views(10, 20, BOTH, failing=failing), *views(20, 30)]
        sent = [*passages(0, 10), *passages(10, 20, BOTH), *passages(14, 15), *passages(20, 30)]
        return disagreements(seen, sent, healthy(0, 30), 10.0)

    assert found(*BOTH) == []
    assert len(found(BOTH[0])) == 1


def test_a_page_on_which_nobody_gets_requests_excuses_nothing():
    seen = [*views(0, 10), *views(10, 20, ()), *views(20, 30)]
    assert len(disagreements(seen, passages(0, 30), healthy(0, 30), 10.0)) == 3


def test_a_page_that_says_up_while_nginx_sends_nothing_to_a_server_that_answers():
    sent = [*passages(0, 10), *passages(10, 20, BOTH), *passages(20, 30)]
    [found] = disagreements(views(0, 30), sent, healthy(0, 30), 20.0)
    assert found == f"{POD} sent nothing to app-1, which it said gets requests (10.0 s before the event)"


def test_a_server_whose_turn_is_always_another_requests_is_not_left_out():
    """By nginx's log it gets requests all the time, only not those that are sent to see where they go."""
    sent = [*passages(0, 10), *passages(10, 20, BOTH), *passages(20, 30)]
    assert disagreements(views(0, 30, busy=("app-1",)), sent, healthy(0, 30), 10.0) == []
    [found] = disagreements(views(0, 30, busy=("app-0",)), sent, healthy(0, 30), 10.0)
    assert "sent nothing to app-1" in found


def test_a_server_that_answers_nobody_may_count_as_up():
    """nginx has sent it requests, of which none was answered yet."""
    sent = [*passages(0, 10), *passages(10, 20, BOTH), *passages(20, 30)]
    sick = [Health(one.at, one.server, not (one.server == "app-1" and 10 <= one.at < 20))
            for one in healthy(0, 30)]  # fmt: skip
    assert disagreements(views(0, 30), sent, sick, 10.0) == []


def test_each_pod_of_the_balancer_is_judged_by_its_own_page():
    seen = [*views(0, 30, BOTH, "a"), *views(0, 30, pod="b")]
    sent = [*passages(0, 30, BOTH, "a"), *passages(0, 30, pod="b")]
    assert disagreements(seen, sent, healthy(0, 30), 10.0) == []
    [found] = disagreements(seen, [*sent, *passages(10, 11, pod="a")], healthy(0, 30), 5.0)
    assert found.startswith("a sent a request to app-1")


def test_a_page_that_was_not_seen_says_nothing():
    assert disagreements([View(0.0, 0.1, POD, BOTH, {}, {})], passages(5, 10), healthy(0, 30), 10.0) == []


# ---- the figures of a round ----


def about(**changes: Any) -> Circumstances:
    return Circumstances("app-killed", 1, "2026", 5.0, 10.0, 12.0, 220.0, 5.0, **changes)


def test_figures_of_a_round():
    samples = [sample(n / 220) for n in range(6600)]
    samples += [sample(9.0, status=502, right=False)]  # before the event
    samples += [sample(4.0, status=502, right=False)]  # before users were served well
    samples += [sample(9.9, took=5.0), refused(10.5, again=True), refused(13.0, again=False)]
    samples += [sample(11.0, "upload", took=8.0, status=0, error="reset", right=False)]
    samples += [sample(11.0, "log-in", took=0.4)]
    found = figures(recording(samples, uploads_lost=["f: 404"], longest_stall=0.2), about())
    assert found.requests == found.reads + found.writes
    assert found.wrong_before == 1
    assert found.p50_before == pytest.approx(0.01)
    assert found.p99_before == pytest.approx(0.01)
    assert found.rate == pytest.approx(220, abs=1)
    assert found.reads == pytest.approx(4400, abs=10)
    assert (found.failed_reads, found.failed_again) == (2, 1)
    assert (found.writes, found.failed_writes) == (2, 1)
    assert found.why == {"alive: refused": 2, "upload: reset": 1}
    assert found.p50 == pytest.approx(0.01)
    assert found.slowest == pytest.approx(5.0)
    assert found.slowest_write == pytest.approx(8.0)
    assert found.over_a_second == 1
    assert found.errors_beyond == pytest.approx(1.01)
    assert (found.uploads, found.uploads_lost) == (5, 1)
    assert found.passages == 600
    assert (found.whole_after, found.stall, found.failed) == (5.0, 0.2, "")


def test_without_a_failure_there_is_no_last_one():
    assert figures(recording([sample(11.0)]), about()).errors_beyond is None


def test_a_client_that_sends_too_late_has_stood_still():
    """Then the times tell more of the client than of the servers."""
    assert figures(recording([sample(11.0, sent=11.7)]), about()).stall == pytest.approx(0.7)


def test_told_to_wait_is_no_failure_where_the_database_is_gone():
    samples = [sample(11.0, "files", **WAIT), sample(11.0, "upload", **WAIT), sample(11.0, "session", **WAIT)]
    found = figures(recording(samples), about(database_gone=True))
    assert (found.told_to_wait, found.failed_reads, found.failed_writes) == (2, 1, 0)


def test_uploads_that_were_not_looked_up_prove_nothing():
    found = figures(recording([sample(11.0)], verified=False), about(failed="it broke"))
    assert found.failed == "it broke; the acknowledged uploads couldn't be looked up"


# ---- limits: each of them can be missed ----

KEPT = {
    "app-pod-deleted": {"p99": 0.25, "failed_writes": 2, "slowest": 6.0},
    "app-frozen": {"slowest": 5.5, "p99": 3.0, "slowest_write": 8.0},
    "app-all-fail": {"failed_reads": 200, "failed_again": 90, "errors_beyond": 2.0, "failed_writes": 4},
    "balancer-killed": {"failed_reads": 40, "failed_again": 0},
    "mariadb-restarted": {"told_to_wait": 900, "slowest": 10.0, "slowest_write": 10.0},
}
BROKEN = {
    "not whole": ("app-killed", {"failed": "a pod"}, "round 1: failed: a pod"),
    "too few": ("app-killed", {"requests": 5999}, "5999 requests, and fewer than 6000"),
    "too slow": ("app-killed", {"rate": 199.0}, "199 requests a second were due, and 200 must be"),
    "wrong before": ("app-killed", {"wrong_before": 1}, "1 requests failed before the event"),
    "slow before": ("app-killed", {"p50_before": 4.4},
                    "half of the requests before the event took 4.40 s or longer, limit 0.25 s"),
    "page": ("app-killed", {"disagreements": ["x sent"]}, "the status page was wrong: x sent"),
    "page not seen": ("app-killed", {"passages": 0}, "nobody saw where nginx sends requests"),
    "upload": ("app-killed", {"uploads_lost": 2}, "2 of 160 acknowledged uploads lost"),
    "p99 of a roll": ("rolling-app", {"p99": 0.251}, "99th percentile 0.251 s, limit 0.25 s"),
    "p99 of a roll of nginx": ("rolling-balancer-image", {"p99": 1.0}, "99th percentile 1.000 s"),
    "p99 of a deletion": ("app-pod-deleted", {"p99": 0.3}, "99th percentile 0.300 s"),
    "frozen": ("app-frozen", {"slowest": 5.6}, "slowest request 5.60 s, limit 5.5 s"),
    "once more": ("balancer-killed", {"failed_again": 1, "why": {"alive: refused": 9}},
                  "1 requests failed for a client that tries once more (9 alive: refused), limit 0"),
    "beyond": ("app-all-fail", {"errors_beyond": 2.1}, "a request failed 2.1 s after the end"),
    "hang": ("mariadb-restarted", {"slowest": 10.1}, "slowest request 10.10 s, limit 10 s"),
    "upload that hangs": ("mariadb-restarted", {"slowest_write": 11.0}, "slowest request 11.00 s"),
}  # fmt: skip
NONE_MAY_FAIL = [event.name for event in EVENTS if event.limits.failed == 0]


@pytest.mark.parametrize("event", KEPT)
def test_limits_that_are_kept(event: str):
    assert limits.broken(BY_NAME[event].limits, [a_round(event, **KEPT[event])], 5.0) == []


@pytest.mark.parametrize("name", BROKEN)
def test_limits_that_are_broken(name: str):
    event, changes, reason = BROKEN[name]
    [found] = limits.broken(BY_NAME[event].limits, [a_round(event, **changes)], 5.0)
    assert reason in found


@pytest.mark.parametrize("event", NONE_MAY_FAIL)
def test_one_failed_request_is_too_many(event: str):
    one = a_round(event, failed_reads=1, why={"session: 502": 1})
    assert limits.broken(BY_NAME[event].limits, [one], 5.0) == [
        "round 1: 1 requests failed (1 session: 502), limit 0"
    ]


def test_failed_requests_are_allowed_in_two_events_alone():
    assert {event.name for event in EVENTS} - set(NONE_MAY_FAIL) == {"app-all-fail", "balancer-killed"}


def test_every_event_says_what_it_must_reach():
    assert all(limits.described(event.limits) for event in EVENTS)
    assert len(BY_NAME) == len(EVENTS)


# ---- the report ----


def journal(folder: Path, *rounds: Round) -> Journal[Round]:
    opened = Journal.open(folder, ABOUT, resume=False, make=Round)
    for each in rounds:
        opened.append(each)
    return opened


def test_report_shows_each_event_and_what_was_missed(tmp_path: Path):
    kept = journal(
        tmp_path, *(a_round(event.name) for event in EVENTS), a_round("app-killed", 2, failed_reads=3)
    )
    found = BALANCER.summaries(kept)
    assert [each.event.name for each in found] == [event.name for event in EVENTS]
    page = report.markdown(BALANCER, kept, found, "plot.svg")
    assert "# Drill of the balancer" in page
    assert "| app-killed | 2 | 14000 | 3 of 12000 | 0 |" in page
    assert "- app-killed: round 2: 3 requests failed, limit 0" in page
    assert page.count("MISSED") == 1
    out = io.StringIO()
    report.show(BALANCER.columns, found, Console(file=out))
    assert "app-frozen\t1\t7000\t0 of 6000" in out.getvalue()
    data = json.loads(json.dumps(report.as_json(kept, found)))
    assert [each["event"] for each in data["events"] if not each["met"]] == ["app-killed"]


def test_the_time_that_nginx_waits_is_the_stacks_own(tmp_path: Path):
    kept = journal(tmp_path, a_round("app-frozen", slowest=4.0))
    kept.about["silence_seconds"] = 3.0
    [found] = BALANCER.summaries(kept)
    assert found.broken == ["round 1: slowest request 4.00 s, limit 3.5 s"]


def test_rounds_of_another_drill_are_not_gone_on_with(tmp_path: Path):
    journal(tmp_path, a_round())
    with pytest.raises(ConfigError, match="belongs to the drill balancer, not to valkey"):
        Journal.open(tmp_path, ABOUT | {"drill": "valkey"}, resume=True, make=Round)


def test_a_round_on_one_line():
    one = a_round(
        failed_reads=2, failed_again=1, over_a_second=3, told_to_wait=4, errors_beyond=-0.5,
        why={"alive: 502": 2}, disagreements=["x sent nothing"], uploads_lost=1, whole_after=31.0,
        stall=0.3, note="y was primary",
    )  # fmt: skip
    text = summary.line(one, ABOUT)
    for part in (
        "app-killed 1: missed (2 requests failed (2 alive: 502), limit 0; 1 requests failed for a client",
        "; 1 of 160 acknowledged uploads lost; the status page was wrong: x sent nothing): 2 of 6000",
        "requests failed, 1 for a client that tries once more; 0 of 170 uploads and log-ins failed",
        "p99 before 20 ms, from the event on p50 10 ms, p99 100 ms, slowest 0.30 s; 3 over 1 s",
        "4 told to wait",
        "the last error -0.5 s after the fault; failed: 2 alive: 502; served by app-0 6000",
        "whole after 31.0 s",
        "the client itself stood still for 0.30 s; y was primary",
    ):
        assert part in text
    assert "FAILED (a pod)" in summary.line(a_round(failed="a pod"), ABOUT)


@pytest.mark.parametrize(
    ("event", "changes", "verdict"),
    [
        ("app-killed", {}, "ok"),
        ("app-killed", {"p99": 9.356}, "ok"),  # no limit there
        ("app-pod-deleted", {"p99": 9.356}, "missed (99th percentile 9.356 s, limit 0.25 s)"),
        ("app-killed", {"requests": 2346}, "missed (2346 requests, and fewer than 6000 prove nothing)"),
        ("app-frozen", {"slowest": 5.6}, "missed (slowest request 5.60 s, limit 5.5 s)"),
        ("app-all-fail", {"failed_reads": 220, "failed_again": 220, "errors_beyond": 0.0}, "ok"),
    ],
)
def test_a_round_is_ok_if_it_keeps_all_its_limits(event: str, changes: dict[str, Any], verdict: str):
    assert summary.line(a_round(event, **changes), ABOUT).startswith(f"{event} 1: {verdict}: ")
