"""The checks of the session set, each against a set in which one thing is wrong."""

from __future__ import annotations

import dataclasses
import time
from types import SimpleNamespace

import pytest
from fake_set import FakeSet, Member
from redis import exceptions

from facts.checks.valkey import ValkeyTarget
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites import valkey, valkey_nodes, valkey_replicas
from filewallball.checks.suites.valkey_access import MEMBER_FORBIDDEN, SENTINEL_FORBIDDEN
from filewallball.checks.suites.valkey_nodes import Patience

REFUSED = exceptions.ConnectionError("Error 111 connecting to 10.0.0.2:6379. Connection refused.")
HANGS = exceptions.TimeoutError("Timeout reading from socket")
LOST = exceptions.TimeoutError("Timeout connecting to server")


@pytest.fixture
def fake(monkeypatch, tmp_path) -> FakeSet:
    monkeypatch.setattr(valkey_replicas, "PATIENCE_SECONDS", 0.05)
    return FakeSet(monkeypatch, tmp_path)


@pytest.mark.parametrize("name", [check.name for check in valkey.CHECKS])
def test_a_sound_set_passes_and_nothing_is_left(fake, name):
    result = fake.check(name)
    assert result.status == "ok", result.line()
    assert [key for member in fake.members for key in member.data] == []


@pytest.mark.parametrize("name", [check.name for check in valkey.CHECKS])
def test_after_a_failover_another_member_is_as_good(fake, name):
    fake.follow(2)
    fake.members[0].role = "slave"
    fake.name(2, fake.sentinels)
    assert fake.check(name).status == "ok", fake.check(name).line()


def test_what_a_sound_set_is_told_as(fake):
    assert fake.check("valkey-quorum").observed == "OK 5 usable Sentinels, 3 can have a failover"
    assert fake.check("valkey-primary").observed == "valkey-0 in epoch 4, named by 5 Sentinels"
    assert "valkey-2 after" in fake.check("valkey-replicas").observed
    assert "valkey-read" in fake.check("valkey-reads").observed


@pytest.mark.parametrize(
    "said",
    [
        "NOQUORUM 2 usable Sentinels. Not enough available Sentinels",
        "OK 4 usable Sentinels. Quorum and failover authorization can be reached",
        "OK 6 usable Sentinels. Quorum and failover authorization can be reached",
        "No such master with that name",
    ],
)
def test_quorum_as_one_sentinel_sees_it(fake, said):
    fake.sentinels[3].ckquorum = said
    result = fake.fails("valkey-quorum")
    assert result.observed == f"valkey-sentinel-3: {said}"
    assert result.expected == "each says OK 5 usable Sentinels"


@pytest.mark.parametrize("name", ["valkey-quorum", "valkey-primary", "valkey-config", "valkey-passwords"])
@pytest.mark.parametrize(
    ("error", "hint"),
    [
        (
            exceptions.ConnectionError("Error 111 connecting. Connection refused."),
            "logs pod/valkey-sentinel-2",
        ),
        (HANGS, "delete pod valkey-sentinel-2"),
        (LOST, "networkpolicies"),
    ],
)
def test_a_sentinel_that_does_not_answer(fake, name, error, hint):
    fake.sentinels[2].error = error
    result = fake.fails(name)
    assert result.observed.startswith("valkey-sentinel-2: ")
    assert result.expected == "every Sentinel answers"
    assert hint in result.hint


def test_a_name_that_nobody_knows(fake, monkeypatch):
    fake.sentinels[1].name = "other"
    result = fake.fails("valkey-quorum")
    assert result.observed == "valkey-sentinel-1: Name or service not known"
    assert "kube-dns" in result.hint


def test_two_sentinels_that_name_another_primary(fake):
    fake.name(1, fake.sentinels[3:])
    result = fake.fails("valkey-primary")
    assert "valkey-sentinel-3, valkey-sentinel-4 say valkey-1 (10.0.0.1:6379)" in result.observed
    assert result.expected == "all 5 Sentinels name the same primary"
    assert "delete pod valkey-sentinel-3" in result.hint
    assert fake.check("valkey-replicas").status == "ok"


def test_sentinels_without_a_majority_for_any_member(fake):
    fake.name(1, fake.sentinels[:2])
    fake.name(2, fake.sentinels[2:4])
    for name in ("valkey-replicas", "valkey-config", "valkey-reads"):
        assert "more than half of 5 Sentinels" in fake.fails(name).observed


def test_a_primary_that_is_no_member(fake):
    for one in fake.sentinels:
        one.named = "10.9.9.9:6379"
    result = fake.fails("valkey-primary")
    assert result.observed == "the Sentinels name 10.9.9.9:6379"
    assert "valkey-0 (10.0.0.0:6379)" in result.expected


def test_a_sentinel_that_sees_the_primary_down(fake):
    fake.sentinels[4].master["flags"] = "s_down,master"
    assert fake.fails("valkey-primary").observed == "valkey-sentinel-4 says s_down,master of valkey-0"


def test_a_second_member_that_says_master(fake):
    fake.members[2].role = "master"
    result = fake.fails("valkey-primary")
    assert result.observed == "the Sentinels name valkey-0; valkey-2 says master"
    assert "logs valkey-2 -c agent" in result.hint


def test_a_named_primary_that_says_slave(fake):
    fake.members[0].role = "slave"
    assert "valkey-0 says slave" in fake.fails("valkey-primary").observed


def test_a_named_primary_that_is_down(fake):
    fake.members[0].error = REFUSED
    result = fake.fails("valkey-primary")
    assert result.observed.startswith("valkey-0: ")
    assert "-c agent" in result.hint


def test_a_silent_replica_is_for_another_check(fake):
    fake.members[2].error = REFUSED
    assert fake.check("valkey-primary").observed.endswith("; no answer from valkey-2")


@pytest.mark.parametrize(("agent", "told"), [("3", "agent 3"), (None, "agent none")])
def test_an_epoch_that_the_primary_does_not_share(fake, agent, told):
    fake.members[0].epoch = agent
    result = fake.fails("valkey-primary")
    assert told in result.observed
    assert "valkey-sentinel-0 4" in result.observed


def test_an_epoch_that_a_sentinel_missed(fake):
    fake.sentinels[1].master["config-epoch"] = "2"
    assert "valkey-sentinel-1 2" in fake.fails("valkey-primary").observed


@pytest.mark.parametrize("name", ["valkey-replicas", "valkey-config", "valkey-reads", "valkey-persistence"])
@pytest.mark.parametrize(("error", "hint"), [(REFUSED, "-c agent"), (HANGS, "hangs"), (LOST, "pod/valkey-2")])
def test_a_member_that_does_not_answer(fake, name, error, hint):
    fake.members[2].error = error
    result = fake.fails(name)
    assert result.observed.startswith("valkey-2: ")
    assert hint in result.hint


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"role": "master"}, "valkey-2 says master"),
        (
            {"master_host": "127.0.0.1", "master_port": "1"},
            "valkey-2 follows 127.0.0.1:1 instead of valkey-0",
        ),
        ({"master_sync_in_progress": "1"}, "valkey-2 is still taking a full copy"),
        (
            {"master_link_status": "down", "master_link_down_since_seconds": "7"},
            "valkey-2 has had no link to valkey-0 for 7 s",
        ),
    ],
)
def test_a_replica_that_is_not_linked(fake, change, told):
    fake.members[2].replication |= change
    for name in ("valkey-replicas", "valkey-reads"):
        result = fake.fails(name)
        assert result.observed.startswith(told)
        assert "logs valkey-2 -c agent" in result.hint


@pytest.mark.parametrize(
    "line", ["ip=10.9.9.9,port=6379,state=online", "ip=10.0.0.2,port=6379,state=wait_bgsave"]
)
def test_a_primary_that_does_not_count_a_replica(fake, line):
    fake.members[0].replication["slave1"] = line
    assert "valkey-0 doesn't count valkey-2 (10.0.0.2:6379)" in fake.fails("valkey-replicas").observed


def test_a_replica_that_a_sentinel_cannot_reach(fake):
    fake.sentinels[3].flags = {"10.0.0.2:6379": "s_down,slave,disconnected"}
    told = fake.fails("valkey-replicas").observed
    assert told == "valkey-2 is s_down,slave,disconnected to valkey-sentinel-3"


def test_a_replica_that_lags(fake):
    fake.members[1].late = None
    result = fake.fails("valkey-replicas")
    assert "valkey-1 not within 0.2 s, valkey-2 after" in result.observed
    assert result.expected == "all of them within 0.2 s"
    assert "logs valkey-1" in result.hint


def test_one_slow_round_is_not_held_against_a_replica(fake, monkeypatch):
    rounds = iter([9.0, 0.01])
    monkeypatch.setattr(
        valkey_replicas, "_lags", lambda _config, _primary, others: dict.fromkeys(others, next(rounds))
    )
    assert "valkey-1 after 10 ms" in fake.check("valkey-replicas").observed


def test_a_replica_that_acknowledges_nothing(fake):
    fake.members[0].acknowledged = 1
    assert "1 of 2 replicas acknowledged" in fake.fails("valkey-replicas").observed


@pytest.mark.parametrize("name", ["valkey-replicas", "valkey-reads"])
@pytest.mark.parametrize(
    ("refusal", "hint"),
    [
        (exceptions.ResponseError("NOREPLICAS Not enough good replicas to write."), "valkey-replicas"),
        (exceptions.ReadOnlyError("You can't write against a read only replica."), "again"),
        (exceptions.NoPermissionError("this user has no permissions"), "users.acl"),
        (exceptions.ResponseError("OOM command not allowed"), "logs valkey-0"),
    ],
)
def test_a_primary_that_refuses_writes(fake, name, refusal, hint):
    fake.members[0].refuses = refusal
    result = fake.fails(name)
    assert "valkey-0" in result.observed
    assert hint in result.hint


def test_a_write_that_never_arrives_where_it_is_read(fake):
    fake.reads.late = None
    result = fake.fails("valkey-reads")
    assert result.observed.startswith("valkey-read gives None")
    assert "endpointslices" in result.hint


def test_a_replica_that_keeps_what_was_deleted(fake):
    fake.members[1].do_get = lambda _get, _key: "둘째 값 🚀"
    fake.members[1].late = 0
    assert "valkey-1 gives" in fake.fails("valkey-reads").observed


@pytest.mark.parametrize("left", [-1, 30_000, 90_000])
def test_a_replica_with_another_lifetime(fake, left):
    fake.members[2].ttl = left
    assert f"has one of {left} ms on valkey-2" in fake.fails("valkey-reads").observed


def test_a_replica_that_takes_writes(fake):
    fake.members[1].read_only = False
    result = fake.fails("valkey-reads")
    assert "valkey-1 took a write of its own" in result.observed
    assert "replica-read-only" in result.hint
    assert fake.members[1].data == {}


@pytest.mark.parametrize("kind", ["members", "sentinels"])
def test_a_server_that_lets_anybody_in(fake, kind):
    server = getattr(fake, kind)[1]
    server.open_to = {None}
    assert fake.fails("valkey-passwords").observed == f"{server.name} answers without a password"
    server.open_to = {server.application + "x"}
    assert fake.fails("valkey-passwords").observed == f"{server.name} takes a wrong password"


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        *(("members", words) for words in MEMBER_FORBIDDEN),
        *(("sentinels", words) for words in SENTINEL_FORBIDDEN),
    ],
)
def test_a_server_that_lets_applications_administer_it(fake, kind, words):
    server = getattr(fake, kind)[2]
    server.grants = {words[0]}
    result = fake.fails("valkey-passwords")
    assert f"{server.name} lets applications do {words[0]}" in result.observed
    assert f"delete pod {server.name}" in result.hint


def test_nothing_that_is_tried_would_do_harm(fake):
    """The one permission test that could: each command names what doesn't exist, or asks only."""
    for words in (*MEMBER_FORBIDDEN, *SENTINEL_FORBIDDEN):
        harmless = "fwb-check-none" in words or words[1:] in {("LIST",), ("0", "0"), ("KILL", "ID", "0")}
        assert harmless, words


@pytest.mark.parametrize("kind", ["members", "sentinels"])
def test_a_server_that_does_not_take_the_right_password(fake, kind, tmp_path):
    (tmp_path / {"members": "app", "sentinels": "sentinel"}[kind]).write_text("newer")
    result = fake.fails("valkey-passwords")
    assert getattr(fake, kind)[0].name in result.observed
    assert "delete pod -l app.kubernetes.io/component=sessions" in result.hint


def test_the_checks_own_password(fake, tmp_path):
    (tmp_path / "checks").write_text("newer")
    assert "statefulset/valkey-sentinel" in fake.fails("valkey-quorum").hint
    assert "valkey-0: NOAUTH" in fake.fails("valkey-persistence").observed


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"maxmemory": "1"}, "valkey-1: maxmemory is 1, valkey.conf says 256mb"),
        ({"save": ""}, 'valkey-1: save is "", valkey.conf says 900 1'),
        ({"replicaof": ""}, 'valkey-1: replicaof is "", here it must be 10.0.0.0 6379'),
        ({"replicaof": "127.0.0.1 1"}, "valkey-1: replicaof is 127.0.0.1 1, here it must be 10.0.0.0 6379"),
        (
            {"replica-announce-ip": "10.9.9.9"},
            "valkey-1: replica-announce-ip is 10.9.9.9, here it must be 10.0.0.1",
        ),
    ],
)
def test_a_member_that_runs_otherwise_than_declared(fake, change, told):
    fake.members[1].conf |= change
    result = fake.fails("valkey-config")
    assert result.observed == told
    assert "delete pod valkey-1" in result.hint


def test_a_primary_that_is_to_follow_somebody(fake):
    fake.members[0].conf["replicaof"] = "127.0.0.1 1"
    assert "valkey-0: replicaof is 127.0.0.1 1, here it must be " in fake.fails("valkey-config").observed


def test_a_file_that_is_not_mounted(fake):
    result = fake.check("valkey-config", lambda target: dataclasses.replace(target, conf="/nonexistent"))
    assert result.status == "failed"
    assert "filewallball-checks" in result.hint


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"quorum": "2"}, "quorum is 2, the stack says 3"),
        ({"down-after-milliseconds": "30000"}, "down-after-milliseconds is 30000, the stack says 1000"),
        ({"failover-timeout": "1"}, "failover-timeout is 1, the stack says 5000"),
        ({"parallel-syncs": "1"}, "parallel-syncs is 1, the stack says 3"),
    ],
)
def test_a_sentinel_that_runs_otherwise_than_declared(fake, change, told):
    fake.sentinels[4].master |= change
    result = fake.fails("valkey-config")
    assert result.observed == f"valkey-sentinel-4: {told}"
    assert "delete pod valkey-sentinel-4" in result.hint


@pytest.mark.parametrize(
    ("kind", "change", "told"),
    [
        ("replicas", lambda known: known[:1], "knows no replica valkey-2 (10.0.0.2:6379)"),
        (
            "replicas",
            lambda known: [*known, "10.9.9.9:6379"],
            "knows a replica 10.9.9.9:6379, which is not declared",
        ),
        ("sentinels", lambda known: known[1:], "knows no Sentinel valkey-sentinel-1 (10.0.1.1:26379)"),
        (
            "sentinels",
            lambda known: [*known, "10.9.9.9:26379"],
            "knows a Sentinel 10.9.9.9:26379, which is not declared",
        ),
        ("sentinels", lambda known: [*known, known[0]], "knows Sentinel 10.0.1.1:26379 twice"),
    ],
)
def test_a_sentinel_that_knows_others_than_declared(fake, kind, change, told):
    one = fake.sentinels[0]
    setattr(one, kind, change(getattr(one, kind)))
    assert fake.fails("valkey-config").observed == f"valkey-sentinel-0: {told}"


@pytest.mark.parametrize(
    "name", ["rdb_last_bgsave_status", "aof_last_bgrewrite_status", "aof_last_write_status"]
)
def test_a_save_that_failed(fake, name):
    fake.members[1].persistence[name] = "err"
    result = fake.fails("valkey-persistence")
    assert result.observed == f"valkey-1: {name} is err"
    assert "storage.size" in result.hint


def test_an_address_that_is_none(fake):
    result = fake.check("valkey-quorum", lambda target: dataclasses.replace(target, sentinels=("valkey",)))
    assert "'valkey' is not host:port" in result.observed


def test_a_set_that_is_down_is_waited_for_once(fake, monkeypatch):
    waited: list[float] = []
    now = [100.0]

    def sleep(seconds: float) -> None:
        waited.append(seconds)
        now[0] += seconds

    monkeypatch.setattr(valkey_nodes, "time", SimpleNamespace(monotonic=lambda: now[0], sleep=sleep))
    patience = Patience()
    settling = fake.config_with(dataclasses.replace(fake.config[ValkeyTarget], settle_seconds=10))

    def down() -> None:
        raise CheckFailed("down", "up", "start it")

    with pytest.raises(CheckFailed):
        patience.settled(settling, down)
    assert 9 < sum(waited) <= 10
    waited.clear()
    with pytest.raises(CheckFailed):
        patience.settled(settling, down)
    assert waited == []


def test_a_set_that_is_settling_passes_as_soon_as_it_has(fake, monkeypatch):
    clock = SimpleNamespace(monotonic=time.monotonic, sleep=lambda _seconds: settle())
    monkeypatch.setattr(valkey_nodes, "time", clock)

    def settle() -> None:
        fake.sentinels[0].ckquorum = fake.sentinels[1].ckquorum

    fake.sentinels[0].ckquorum = "NOQUORUM 2 usable Sentinels."
    result = fake.check("valkey-quorum", lambda target: dataclasses.replace(target, settle_seconds=60))
    assert result.status == "ok"


def test_members_are_asked_by_the_address_that_the_sentinels_know(fake):
    assert isinstance(fake.members[0], Member)
    assert [str(node) for node in valkey_nodes.members(fake.config)] == ["valkey-0", "valkey-1", "valkey-2"]
    assert valkey_nodes.members(fake.config)[2].endpoint == "10.0.0.2:6379"


@pytest.mark.parametrize("place", ["members", "sentinels"])
def test_connections_that_run_out_are_told_before(fake, place):
    server = getattr(fake, place)[1]
    server.applications = 799
    assert fake.check("valkey-connections").status == "ok"
    server.applications = 800
    result = fake.check("valkey-connections")
    assert result.status == "warning"
    assert f"{server.name}: 800 of 1000 connections in use" in result.observed
    assert "raise filewallball:valkey.maxConnections" in result.hint
