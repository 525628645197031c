"""The file of rounds, the limits, and the reports made from them."""

from __future__ import annotations

import importlib.util
import io
import json
from dataclasses import asdict
from pathlib import Path

import pytest
from made_up import ABOUT, a_round
from rich.console import Console

from filewallball.drill import folder, limits, plot, report, summary, telling
from filewallball.drill.events import BY_NAME, EVENTS
from filewallball.drill.results import FILE, Journal, Round
from filewallball.drill.valkey import VALKEY
from filewallball.errors import ConfigError, UserError


def journal(folder: Path, *rounds, **about) -> Journal:
    opened = Journal.open(folder, ABOUT | about, resume=False, make=Round)
    for each in rounds:
        opened.append(each)
    return opened


def test_resume_goes_on_where_it_ended(tmp_path: Path):
    first = a_round(read_outages={"primary": 0.2}, lone_writes=3)
    journal(tmp_path, first)
    again = Journal.open(tmp_path, ABOUT | {"began": "later"}, resume=True, make=Round)
    assert again.rounds == [first]
    assert again.about == ABOUT
    assert again.done("process-killed", 1)
    assert not again.done("process-killed", 2)
    again.append(a_round(number=2))
    assert len(Journal.open(tmp_path, ABOUT, resume=True, make=Round).rounds) == 2


def test_resume_leaves_out_a_line_that_was_cut_off(tmp_path: Path):
    journal(tmp_path, a_round(), a_round(number=2))
    file = tmp_path / FILE
    file.write_text(file.read_text()[:-40])
    again = Journal.open(tmp_path, ABOUT, resume=True, make=Round)
    assert [one.number for one in again.rounds] == [1]
    again.append(a_round(number=2))
    assert [one.number for one in Journal.open(tmp_path, ABOUT, resume=True, make=Round).rounds] == [1, 2]


def test_rounds_of_a_time_before_threads_waited_for_replicas(tmp_path: Path):
    old = asdict(a_round("pod-deleted"))
    for name in ("waited_outage", "waited_writes", "waited_in_vain"):
        del old[name]
    about = {name: value for name, value in ABOUT.items() if not name.startswith("waiter")}
    (tmp_path / FILE).write_text(json.dumps(about) + "\n" + json.dumps(old) + "\n")
    kept = Journal.open(tmp_path, ABOUT, resume=True, make=Round)
    assert kept.rounds[0].waited_outage is None
    [found] = summary.summaries(kept)
    assert dict(zip(summary.COLUMNS, found.cells(), strict=True))["with WAIT"] == "–"
    assert found.met
    assert "threads at" not in report.markdown(VALKEY, kept, [found], None)


def test_earlier_rounds_are_never_overwritten(tmp_path: Path):
    journal(tmp_path, a_round())
    with pytest.raises(ConfigError, match="--resume"):
        Journal.open(tmp_path, ABOUT, resume=False, make=Round)


def test_resume_without_anything_to_resume(tmp_path: Path):
    with pytest.raises(ConfigError, match="There is no"):
        Journal.open(tmp_path, ABOUT, resume=True, make=Round)


def test_resume_of_another_stack(tmp_path: Path):
    journal(tmp_path)
    with pytest.raises(ConfigError, match="belongs to the stack dev, not to prd"):
        Journal.open(tmp_path, ABOUT | {"stack": "prd"}, resume=True, make=Round)


@pytest.mark.parametrize("text", ["", "not JSON\n", "[]\n", '{"name": "another file"}\n'])
def test_resume_of_something_else(tmp_path: Path, text):
    (tmp_path / FILE).write_text(text)
    with pytest.raises(ConfigError, match="isn't the file of a drill"):
        Journal.open(tmp_path, ABOUT, resume=True, make=Round)


def test_folder_that_cannot_be_made(tmp_path: Path):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match="Cannot make"):
        Journal.open(tmp_path / "file" / "folder", ABOUT, resume=False, make=Round)


KEPT = {
    "planned": (limits.PLANNED, {"outage": 0.2, "waited_outage": 0.3}),
    "planned, of a time before threads waited": (limits.PLANNED, {"waited_outage": None}),
    "failed": (limits.FAILED, {"outage": 3.0, "waited_outage": 3.0, "lost_plain": 7}),
    "one way": (limits.ONE_WAY, {"outage": 60.0, "lone_last": 10.0, "lost_plain": 9, "lost_waited": 9}),
    "all": (limits.ALL_AT_ONCE, {"outage": 30.0, "lost_waited": 9, "oldest_lost": 50.0}),
}
KEPT["busy"] = (limits.BUSY, {"failovers": 0, "outage": 2.0})
BROKEN = {
    "planned median": (limits.PLANNED, {"outage": 0.21}, "median outage 0.21 s, limit 0.2 s"),
    "planned worst": (limits.PLANNED, {"outage": 1.1}, "worst outage 1.10 s, limit 1 s"),
    "planned with WAIT": (
        limits.PLANNED,
        {"waited_outage": 0.31},
        "worst outage of writes with WAIT 0.31 s, limit 0.3 s",
    ),
    "planned loss with WAIT": (limits.PLANNED, {"lost_waited": 1}, "1 acknowledged writes lost"),
    "planned loss": (limits.PLANNED, {"lost_plain": 1}, "1 acknowledged writes lost"),
    "failed median": (limits.FAILED, {"outage": 3.1}, "median outage"),
    "failed worst": (limits.FAILED, {"outage": 5.1}, "worst outage"),
    "failed loss": (limits.FAILED, {"lost_waited": 2}, "2 writes lost that WAIT acknowledged"),
    "lone": (limits.ONE_WAY, {"lone_last": 10.1}, "a lone primary accepted a write after 10.1 s"),
    "all worst": (limits.ALL_AT_ONCE, {"outage": 30.1}, "worst outage"),
    "all unsaved": (limits.ALL_AT_ONCE, {"saved": 0}, "nothing had been saved"),
    "all never asked": (limits.ALL_AT_ONCE, {"saved": None}, "nothing had been saved"),
    "all saved": (limits.ALL_AT_ONCE, {"lost_saved": 1}, "1 writes lost that had been saved"),
    "busy": (limits.BUSY, {"failovers": 1}, "1 fail-overs though nothing was down"),
    "not whole": (limits.FAILED, {"failed": "no primary"}, "round 1 failed: no primary"),
}


@pytest.mark.parametrize("name", KEPT)
def test_limits_that_are_kept(name):
    which, changes = KEPT[name]
    assert limits.broken(which, [a_round(**changes)], append_only=False) == []


@pytest.mark.parametrize("name", BROKEN)
def test_limits_that_are_broken(name):
    which, changes, reason = BROKEN[name]
    assert reason in "; ".join(limits.broken(which, [a_round(**changes)], append_only=False))


def test_median_forgives_what_worst_does_not():
    rounds = [a_round(number=n, outage=outage) for n, outage in enumerate([0.1, 0.1, 0.9], 1)]
    assert limits.broken(limits.PLANNED, rounds, append_only=False) == []


def test_append_only_file_bounds_the_loss():
    one = a_round(lost_plain=5, oldest_lost=1.2)
    assert limits.broken(limits.ALL_AT_ONCE, [one], append_only=False) == []
    [reason] = limits.broken(limits.ALL_AT_ONCE, [one], append_only=True)
    assert "1.2 s" in reason


def test_every_event_says_what_it_must_reach():
    assert all(limits.described(event.limits) for event in EVENTS)
    assert len(BY_NAME) == len(EVENTS)


def rounds_of_all():
    return [
        a_round(event.name, number, outage=0.05 * number, read_outages={"primary": 0.1}, detection=0.5)
        for event in EVENTS
        for number in (1, 2, 3)
    ]


def test_table_and_markdown_show_each_event_and_what_was_missed(tmp_path: Path):
    bad = a_round("pod-deleted", 4, outage=2.5, waited_outage=1.6, lost_plain=3)
    found = summary.summaries(kept := journal(tmp_path, *rounds_of_all(), bad))
    assert [each.event.name for each in found] == [event.name for event in EVENTS]
    out = io.StringIO()
    report.show(summary.COLUMNS, found, Console(file=out))
    text = out.getvalue()
    assert "pod-deleted\t4\t" in text
    assert "0.12 / 2.50" in text
    assert "0.10 / 1.60" in text
    assert "pod-deleted: worst outage of writes with WAIT 1.60 s, limit 0.3 s" in text
    assert "pod-deleted: worst outage 2.50 s, limit 1 s" in text
    assert "pod-deleted: round 4: 3 acknowledged writes lost" in text
    assert text.count("MISSED") == 1
    page = report.markdown(VALKEY, kept, found, "plot.svg")
    assert "| pod-deleted | 4 |" in page
    assert "4 threads at 50 each, every write followed by WAIT 1;" in page
    assert "- pod-deleted: worst outage 2.50 s, limit 1 s" in page
    assert "![client outage by event](plot.svg)" in page


def test_table_on_a_terminal(tmp_path: Path):
    out = io.StringIO()
    found = summary.summaries(journal(tmp_path, a_round(lone_writes=2, lone_last=1.5, overlap=0.5)))
    report.show(summary.COLUMNS, found, Console(file=out, force_terminal=True, width=160))
    assert "process-killed" in out.getvalue()
    assert "┃" in out.getvalue()


def test_round_on_one_line():
    text = telling.line(a_round(lone_writes=2, lone_last=1.5, primaries=2, overlap=0.25, stall=0.3), {})
    assert text.startswith("process-killed 1: ok: outage 0.10 s; with WAIT 0.10 s; ")
    assert "; 1500 writes, 0 lost" in text
    assert "at most 2 accepting for 0.25 s" in text
    assert "2 lone probes accepted, the last after 1.50 s" in text
    assert "the client itself stood still for 0.30 s" in text
    assert "FAILED (no primary)" in telling.line(a_round(failed="no primary", outage=None), {})
    assert "1: missed (worst outage 5.10 s, limit 5 s): " in telling.line(a_round(outage=5.1), {})
    assert "1: ok: " in telling.line(a_round(outage=4.9), {})  # the median is of all rounds


def test_data_of_the_report(tmp_path: Path):
    kept = journal(tmp_path, a_round(outage=9.0))
    data = json.loads(json.dumps(report.as_json(kept, summary.summaries(kept))))
    assert data["about"]["stack"] == "dev"
    assert data["events"][0]["met"] is False
    assert data["events"][0]["waited_outage_worst"] == 0.1
    assert data["events"][0]["waited_writes"] == 500
    assert "rounds" not in data  # they stand in the journal


@pytest.mark.skipif(not importlib.util.find_spec("matplotlib"), reason="matplotlib isn't installed")
def test_plot_is_the_same_for_the_same_rounds(tmp_path: Path):
    found = folder.write(VALKEY, journal(tmp_path, *rounds_of_all()), tmp_path)
    first = (tmp_path / folder.PLOT).read_bytes()
    assert b"<svg" in first
    plot.draw(found, tmp_path / "again.svg", VALKEY.axis)
    assert (tmp_path / "again.svg").read_bytes() == first
    assert (tmp_path / "report.md").exists()
    assert (tmp_path / "report.json").exists()
