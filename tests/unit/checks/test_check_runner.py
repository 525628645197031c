"""Choosing checks; running them so that none stops the next."""

from __future__ import annotations

import json
import os
import signal
import socket
import time
from pathlib import Path

import pytest
from test_checks_config import document

from facts.checks.redis import RedisTarget
from facts.checks.valkey import ValkeyTarget
from filewallball.checks import __main__ as pod
from filewallball.checks import config, runner
from filewallball.checks.result import CheckFailed
from filewallball.checks.runner import Check, Suite
from filewallball.errors import ConfigError, UserError
from filewallball.kube import KubeError, Unreachable

CONFIG = config.parse(json.dumps(document()))
FOREVER = 60


def passes(_config):
    return "all well"


def raises(error):
    def run(_config):
        raise error

    return run


def stuck(_config):
    time.sleep(FOREVER)
    return ""


A = Check("redis-config", passes, quick=True)
B = Check("redis-memory", passes)
C = Check("redis-eviction", passes, deep=True, harms="evicts keys")
CHECKS = (A, B, C)


@pytest.mark.parametrize(
    ("names", "quick", "deep", "chosen"),
    [
        ([], False, False, [A, B]),
        ([], True, False, [A]),
        ([], False, True, [A, B, C]),
        (["redis-memory", "redis-config"], False, False, [A, B]),
        (["redis-eviction"], False, False, [C]),
        (["redis-memory"], False, True, [B, C]),
    ],
)
def test_selection(names, quick, deep, chosen):
    assert runner.select(CHECKS, names, quick=quick, deep=deep) == chosen


def test_unknown_names_come_with_the_nearest():
    with pytest.raises(ConfigError) as caught:
        runner.select(CHECKS, ["redis-memry", "xyz"], quick=False, deep=False)
    assert "'redis-memry'; did you mean redis-memory?" in caught.value.message
    assert "no check is called 'xyz'" in caught.value.message
    assert "redis-eviction" in caught.value.hint
    assert caught.value.exit_code == 2


@pytest.mark.parametrize(("names", "deep"), [(["redis-config"], False), ([], True)])
def test_options_that_exclude_each_other(names, deep):
    with pytest.raises(ConfigError, match="exclude each other"):
        runner.select(CHECKS, names, quick=True, deep=deep)


def test_every_failure_is_a_result_and_the_next_check_runs():
    checks = [
        Check("a", raises(CheckFailed("seen", "wanted", "do"))),
        Check("b", raises(ZeroDivisionError("odd"))),
        Check("c", raises(UserError("no file", "mount it"))),
        Check("d", raises(KubeError(403, "Forbidden", "pods is forbidden"))),
        Check("e", raises(KeyError("x")), explain=lambda _c, error: CheckFailed(f"known {error}", "", "h")),
        Check("f", passes),
        Check("g", raises(Unreachable("https://10.96.0.1:443", "in-cluster", "timed out"))),
    ]
    results = list(runner.run(checks, CONFIG))
    assert [result.status for result in results] == ["failed"] * 5 + ["ok", "failed"]
    assert "add it there" in results[6].hint
    assert "filewallball:cluster.apiServerPorts" in results[6].hint
    assert results[0].line() == "a: FAILED (seen; wanted; do See docs/runbook.md#a.)"
    assert results[1].observed == "ZeroDivisionError: odd"
    assert "fwb check STACK b" in results[1].hint
    assert (results[2].observed, results[2].hint) == ("no file", "mount it See docs/runbook.md#c.")
    assert "describe role filewallball-checks" in results[3].hint
    assert results[4].observed == "known 'x'"
    assert results[5].observed == "all well"


def test_a_check_without_end_fails_in_time_and_still_cleans_up():
    cleaned = []

    def hangs(_config):
        left, right = socket.socketpair()
        try:
            return left.recv(1)  # in the kernel, as the clients of servers are
        finally:
            cleaned.append(True)
            left.close()
            right.close()

    slow, after = runner.run([Check("slow", hangs, timeout=0.3), Check("after", passes)], CONFIG)
    assert slow.status == "failed"
    assert "no end after" in slow.observed
    assert cleaned == [True]
    assert after.status == "ok"


def test_a_clean_up_without_end_is_cut_off_too(monkeypatch):
    monkeypatch.setattr(runner, "CLEANUP_SECONDS", 0.3)

    def hangs_twice(_config):
        try:
            time.sleep(FOREVER)
        finally:
            time.sleep(FOREVER)

    [result] = runner.run([Check("slow", hangs_twice, timeout=0.3)], CONFIG)
    assert result.status == "failed"


@pytest.mark.parametrize(("named", "status"), [([], "skipped"), (["redis-eviction"], "failed")])
def test_harm_is_refused_where_users_are(named, status):
    protected = config.parse(json.dumps({**document(), "disposable": False}))
    harmful = Check("redis-eviction", raises(AssertionError("ran")), deep=True, harms="evicts keys")
    [result] = runner.run([harmful], protected, named=named)
    assert result.status == status
    assert "it evicts keys" in result.observed
    assert "filewallball:disposable" in result.expected


def brought(*checks):
    """What stands in for the search for suites."""
    return lambda: (Suite(RedisTarget, checks),)


@pytest.fixture
def in_pod(monkeypatch, tmp_path: Path):
    """`python3 -m filewallball.checks` with our checks; returns the file of its last message."""
    (tmp_path / "checks.json").write_text(json.dumps(document()))
    message = tmp_path / "termination-log"
    message.touch()
    monkeypatch.setenv("FWB_CHECKS_CONFIG", str(tmp_path / "checks.json"))
    monkeypatch.setattr(pod, "TERMINATION_LOG", message)
    monkeypatch.setattr(pod, "wait_admitted", list)
    before = signal.getsignal(signal.SIGTERM)
    yield message
    signal.signal(signal.SIGTERM, before)


def test_the_pod_prints_lines(in_pod, monkeypatch, capsys):
    monkeypatch.setattr(pod, "find", brought(*CHECKS))
    assert pod.main(["run"]) == 0
    assert capsys.readouterr().out == "redis-config: OK\nredis-memory: OK\n"
    assert in_pod.read_text() == ""


def test_the_pod_prints_json_lines_with_the_plan_first(in_pod, monkeypatch, capsys):
    monkeypatch.setattr(pod, "find", brought(A, Check("b", raises(CheckFailed("seen", "wanted", "do")))))
    assert pod.main(["run", "--json-lines"]) == 1
    plan, *results = map(json.loads, capsys.readouterr().out.splitlines())
    assert plan == {"plan": ["redis-config", "b"]}
    assert [result["status"] for result in results] == ["ok", "failed"]
    assert in_pod.read_text() == "b: FAILED (seen; wanted; do See docs/runbook.md#b.)"


def test_the_pod_waits_to_be_let_in_before_its_first_check(in_pod, monkeypatch):
    seen = []

    def check(_config):
        seen.append("check")
        return "all well"

    monkeypatch.setattr(pod, "find", brought(Check("a", check)))
    monkeypatch.setattr(pod, "wait_admitted", seen.extend)
    assert pod.main(["run"]) == 0
    assert seen == [("redis", 6379), ("mariadb", 3306), ("store", 7070), "check"]


def test_the_pod_with_wrong_usage_or_configuration(in_pod, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(pod, "find", brought(*CHECKS))
    assert pod.main(["run", "redis-confg"]) == 2
    assert "did you mean redis-config?" in capsys.readouterr().err
    (tmp_path / "checks.json").write_text("{}")
    assert pod.main(["run"]) == 2
    assert "namespace: missing" in in_pod.read_text()


def test_a_part_that_the_stack_has_not_is_not_checked(in_pod, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(pod, "find", lambda: (Suite(RedisTarget, (A,)), Suite(ValkeyTarget, (B,))))
    without = {key: value for key, value in document().items() if key != "valkey"}
    (tmp_path / "checks.json").write_text(json.dumps(without))
    assert pod.main(["run"]) == 0
    assert capsys.readouterr().out == "redis-config: OK\n"
    assert pod.main(["run", "redis-memory"]) == 2
    assert "This stack has nothing for redis-memory to check" in capsys.readouterr().err


def test_the_pod_that_is_told_to_end_unwinds(in_pod, monkeypatch):
    cleaned = []

    def interrupted(_config):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(FOREVER)
        finally:
            cleaned.append(True)

    monkeypatch.setattr(pod, "find", brought(Check("a", interrupted)))
    assert pod.main(["run"]) == 143
    assert cleaned == [True]
    assert in_pod.read_text() == "interrupted"
