"""Every check of the session set passes on a sound one, and fails on one that is really broken.

The set's servers run here without a cluster, from the sandbox's image, with their agents. What an agent or
the Sentinels would mend within a second is looked at at once, or with the agent stopped.
"""

from __future__ import annotations

import re
import shutil
import signal
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from string import Template
from types import SimpleNamespace
from typing import Any

import local_set
import pytest
from local_set import MASTER, LocalSet, Process, free_net, wait_for

from facts.checks.valkey import ValkeyTarget
from facts.valkey import CLOCK, CLOCK_DB
from filewallball.checks.result import Result
from filewallball.checks.suites import valkey, valkey_nodes, valkey_replicas
from filewallball.checks.suites.redis_session import PREFIX
from filewallball.valkey import passwords

ALL = [check.name for check in valkey.CHECKS]


@pytest.fixture(scope="module")
def running(tree: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[LocalSet]:
    started = LocalSet(tree, tmp_path_factory.mktemp("set"), free_net(21))
    try:
        started.start()
        started.wait_whole()
        yield started
    finally:
        started.close()


class Subject:
    """The set, its primary and replicas at the test's start, and the checks as the pod runs them."""

    def __init__(self, running: LocalSet, target: ValkeyTarget, check: Callable[..., Result]) -> None:
        self.set = running
        self.target = target
        self.primary = running.wait_whole()
        self.replicas = [each for each in running.members if each is not self.primary]
        self._check = check

    def check(self, name: str, *, settle: float = 0, **changes: Any) -> Result:
        target = replace(self.target, settle_seconds=settle, **changes)
        if settle > 1:  # what an earlier check of the test has waited doesn't count
            valkey_nodes.PATIENCE = valkey_nodes.Patience()
        return self._check(name, valkey=target)

    def fails(self, name: str, **changes: Any) -> Result:
        result = self.check(name, **changes)
        assert result.status == "failed", result
        return result

    def agent(self, member: Process, *words: str | int, **options: Any) -> Any:
        return self.set.client(member, "agent", **options).execute_command(*words)

    def peer(self, sentinel: Process, *words: str | int) -> Any:
        return self.set.client(sentinel, "peer").execute_command(*words)

    def restart(self, server: Process) -> None:
        if server.process:
            self.set.kill(server)
        self.set.start_server(server)


@pytest.fixture
def subject(
    running: LocalSet, check: Callable[..., Result], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Subject]:
    addresses = {each.pod.name: each.pod.host for each in running.everything}
    monkeypatch.setattr(valkey_nodes, "resolve", addresses.__getitem__)
    monkeypatch.setattr(valkey_nodes, "PATIENCE", valkey_nodes.Patience())
    declared = Template((local_set.FILES / "valkey.conf").read_text()).safe_substitute(running.settings)
    (tmp_path / "valkey.conf").write_text(declared)
    for key in ("app", "sentinel", "checks"):
        (tmp_path / key).write_text(running.passwords[key])
    target = ValkeyTarget(
        members=tuple(f"{each.pod.name}:6379" for each in running.members),
        sentinels=tuple(f"{each.pod.name}:26379" for each in running.sentinels),
        quorum=int(running.options["FWB_QUORUM"]),
        down_after_ms=int(running.options["FWB_DOWN_AFTER_MS"]),
        failover_timeout_ms=int(running.options["FWB_FAILOVER_TIMEOUT_MS"]),
        parallel_syncs=len(running.members),
        app_password_file=str(tmp_path / "app"),
        sentinel_password_file=str(tmp_path / "sentinel"),
        checks_password_file=str(tmp_path / "checks"),
        conf=str(tmp_path / "valkey.conf"),
    )
    yield Subject(running, target, check)
    monkeypatch.undo()
    for member in running.members:
        if not member.agent:
            running.start_agent(member)
    running.wait_whole()


@pytest.mark.parametrize("name", ALL)
def test_a_sound_set_passes_and_nothing_is_left(subject, name):
    subject.set.client(subject.primary).set("app:key", "theirs")
    result = subject.check(name, settle=15)
    assert result.status == "ok", result.line()
    for member in subject.set.members:
        assert list(subject.set.client(member).scan_iter(f"{PREFIX}*")) == []


def test_a_sentinel_that_hangs(subject):
    hanging = subject.set.sentinels[4]
    subject.set.kill(hanging, signal.SIGSTOP)
    try:
        for name in ("valkey-quorum", "valkey-primary"):
            assert subject.fails(name).observed == "valkey-sentinel-4: no answer within 2 s"
    finally:
        subject.set.kill(hanging, signal.SIGCONT)
    assert subject.check("valkey-quorum", settle=15).status == "ok"


def test_a_sentinel_that_is_gone_and_comes_back(subject):
    subject.set.kill(subject.set.sentinels[3])
    result = subject.fails("valkey-quorum")
    assert "valkey-sentinel-3: " in result.observed
    assert "refused" in result.observed
    subject.set.start_server(subject.set.sentinels[3])
    assert subject.check("valkey-quorum", settle=15).status == "ok"


def test_two_sentinels_that_name_another_primary(subject):
    strays = subject.set.sentinels[3:]
    other = subject.replicas[0].pod

    def told(check: str, text: str) -> bool:
        """Lead them astray, and look. The others set them right within a second: then it is done again."""
        for sentinel in strays:
            subject.peer(sentinel, "SENTINEL", "REMOVE", MASTER)
            subject.peer(sentinel, "SENTINEL", "MONITOR", MASTER, other.host, 6379, 3)
        return text in subject.check(check).observed

    def tells(check: str, text: str) -> bool:
        return any(told(check, text) for _ in range(20))

    try:
        assert tells(
            "valkey-primary", f"valkey-sentinel-3, valkey-sentinel-4 say {other.name} ({other.host}:6379)"
        )
        assert tells("valkey-quorum", "usable Sentinels")
        wrong = "valkey-sentinel-3: down-after-milliseconds is 30000, the stack says 1000"
        assert tells("valkey-config", wrong)
    finally:
        for sentinel in strays:  # as the hint says
            subject.restart(sentinel)
    for name in ("valkey-quorum", "valkey-primary", "valkey-config"):
        assert subject.check(name, settle=15).status == "ok"


def test_a_sentinel_that_forgot_the_others(subject):
    forgetful = subject.set.sentinels[0]

    def told() -> bool:
        """It meets them again within two seconds: then it is done again."""
        assert subject.peer(forgetful, "SENTINEL", "RESET", MASTER) == 1
        return "valkey-sentinel-0: knows no " in subject.check("valkey-config").observed

    try:
        assert any(told() for _ in range(20))
    finally:
        subject.restart(forgetful)
    assert subject.check("valkey-config", settle=15).status == "ok"


def test_a_member_that_left_the_set(subject):
    stray = subject.replicas[1]
    subject.set.stop_agent(stray)
    subject.agent(stray, "REPLICAOF", "NO", "ONE")
    assert f"{stray.pod.name} says master" in subject.fails("valkey-primary").observed
    assert f"{stray.pod.name} says master" in subject.fails("valkey-replicas").observed
    told = subject.fails("valkey-config").observed
    assert f'{stray.pod.name}: replicaof is "", here it must be {subject.primary.pod.host} 6379' in told


def test_a_replica_that_cannot_log_in_at_its_primary(subject):
    locked = subject.replicas[1]
    subject.set.stop_agent(locked)  # which would give it the right password within seconds
    subject.agent(locked, "CONFIG", "SET", "masterauth", "wrong")
    subject.agent(locked, "REPLICAOF", "127.0.0.1", "1")  # it has to log in again
    subject.agent(locked, "REPLICAOF", subject.primary.pod.host, 6379)
    try:
        wait_for(
            lambda: "no link" in subject.check("valkey-replicas").observed,
            20,
            lambda: subject.check("valkey-replicas").line(),
        )
        assert subject.fails("valkey-reads").observed.startswith(f"{locked.pod.name} has had no link to")
    finally:
        subject.agent(locked, "CONFIG", "SET", "masterauth", subject.set.passwords["replica"])
    assert subject.check("valkey-replicas", settle=15).status == "ok"


def test_a_replica_that_hangs(subject):
    subject.set.kill(subject.replicas[0], signal.SIGSTOP)
    try:
        result = subject.fails("valkey-replicas")
        assert result.observed == f"{subject.replicas[0].pod.name}: no answer within 2 s"
        assert subject.check("valkey-primary").observed.endswith(
            f"no answer from {subject.replicas[0].pod.name}"
        )
    finally:
        subject.set.kill(subject.replicas[0], signal.SIGCONT)
    assert subject.check("valkey-replicas", settle=15).status == "ok"


def test_a_replica_that_lags(subject, monkeypatch):
    """It freezes with each write of the check, for longer than it may be behind."""
    slow, call = subject.replicas[0], valkey_replicas._Run.call
    subject.set.stop_agent(slow)  # which would close it, if it is frozen for a little longer

    def freezing(run: Any, *words: Any) -> Any:
        if words[0] == "SET":
            subject.set.kill(slow, signal.SIGSTOP)
            threading.Timer(0.4, subject.set.kill, (slow, signal.SIGCONT)).start()
        return call(run, *words)

    monkeypatch.setattr(valkey_replicas._Run, "call", freezing)
    # What a Sentinel hasn't forgiven it yet must not be told in the place of the lag.
    result = subject.fails("valkey-replicas", settle=15, max_lag_seconds=0.2)
    # It is asked again as soon as it wakes, so that it may have the value by then or not.
    assert re.search(rf"reached {slow.pod.name} (after \d{{3,}} ms|not within 0\.2 s)", result.observed), (
        result
    )
    assert result.expected == "all of them within 0.2 s"


def test_a_primary_of_another_epoch(subject):
    subject.set.stop_agent_roughly(subject.primary)
    subject.agent(subject.primary, "HSET", CLOCK, "epoch", 99, db=CLOCK_DB)
    assert f"{subject.primary.pod.name}'s agent 99" in subject.fails("valkey-primary").observed
    subject.set.start_agent(subject.primary)  # has all the others take on a still higher one
    for name in ("valkey-quorum", "valkey-primary", "valkey-config"):
        assert subject.check(name, settle=15).status == "ok"


def test_a_member_changed_by_hand(subject):
    changed = subject.replicas[1]
    subject.agent(changed, "CONFIG", "SET", "maxmemory-policy", "noeviction", "replica-read-only", "no")
    found = subject.fails("valkey-config")
    refused = subject.fails("valkey-reads")
    subject.agent(changed, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru", "replica-read-only", "yes")
    name = changed.pod.name
    assert f"{name}: " in found.observed
    assert "maxmemory-policy is noeviction, valkey.conf says allkeys-lru" in found.observed
    assert "replica-read-only is no, valkey.conf says yes" in found.observed
    assert f"{name} took a write of its own" in refused.observed


def test_a_sentinel_changed_by_hand(subject):
    subject.peer(subject.set.sentinels[2], "SENTINEL", "SET", MASTER, "quorum", 2)
    result = subject.fails("valkey-config")
    subject.peer(subject.set.sentinels[2], "SENTINEL", "SET", MASTER, "quorum", 3)
    assert result.observed == "valkey-sentinel-2: quorum is 2, the stack says 3"


def test_a_member_without_passwords_whose_applications_may_do_all(subject, monkeypatch, tmp_path):
    files = tmp_path / "files"
    shutil.copytree(local_set.FILES, files)
    users = (files / "users.acl").read_text()
    (files / "users.acl").write_text(users.replace("on #${app} ", "on nopass ").replace(" -@dangerous", ""))
    changed = subject.replicas[0]
    with monkeypatch.context() as patch:
        patch.setattr(local_set, "FILES", files)
        # The agents would give the users their passwords back.
        patch.setattr(passwords, "give", lambda *_: [])
        subject.restart(changed)
        subject.set.wait_whole()
        result = subject.fails("valkey-passwords")
    subject.restart(changed)
    name = changed.pod.name
    assert f"{name} answers without a password" in result.observed
    assert f"{name} takes a wrong password" in result.observed
    assert f"{name} lets applications do FLUSHALL" in result.observed
    assert f"{name} lets applications do SWAPDB" in result.observed


def test_a_sentinel_without_passwords_whose_applications_may_do_all(subject, monkeypatch):
    with monkeypatch.context() as patch:
        # The agents would give the users their passwords back.
        patch.setattr(passwords, "give", lambda *_: [])
        lax = ("ACL", "SETUSER", "default", "nopass", "+sentinel", "allchannels")
        subject.peer(subject.set.sentinels[1], *lax)
        result = subject.fails("valkey-passwords")
    subject.restart(subject.set.sentinels[1])
    told = "valkey-sentinel-1 answers without a password; valkey-sentinel-1 takes a wrong password; "
    assert result.observed.startswith(told)
    for command in ("FAILOVER", "SET", "RESET", "REMOVE", "MONITOR", "CONFIG"):
        assert f"valkey-sentinel-1 lets applications do SENTINEL {command}" in result.observed
    assert MASTER in str(subject.peer(subject.set.sentinels[0], "SENTINEL", "MASTERS"))


def test_a_password_that_was_changed_in_the_secret_alone(subject, tmp_path):
    (tmp_path / "app").write_text("newer")
    result = subject.fails("valkey-passwords")
    assert "valkey-0: " in result.observed
    assert "delete pod -l app.kubernetes.io/component=sessions" in result.hint


def test_a_volume_that_takes_no_snapshot(subject):
    full = subject.replicas[0]
    dump = full.folder / "data" / "dump.rdb"
    dump.unlink(missing_ok=True)
    dump.mkdir()  # nothing can be moved to where it stands
    subject.agent(full, "CONFIG", "SET", "save", "1 1")
    subject.set.client(subject.primary).set("app:key", "changed")
    try:
        wait_for(
            lambda: subject.check("valkey-persistence").status == "failed", 20, lambda: "all saves went well"
        )
        result = subject.fails("valkey-persistence")
        assert result.observed == f"{full.pod.name}: rdb_last_bgsave_status is err"
    finally:
        dump.rmdir()
        subject.restart(full)


def test_every_server_down(subject, monkeypatch):
    """All checks fail, having waited once."""
    waited: list[float] = []

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        time.sleep(seconds)

    monkeypatch.setattr(valkey_nodes, "time", SimpleNamespace(monotonic=time.monotonic, sleep=sleep))
    subject.set.power_cut()
    found = [subject.check(name, settle=1) for name in ALL]
    subject.set.start()
    assert {result.status for result in found} == {"failed"}
    assert sum(waited) <= 1
