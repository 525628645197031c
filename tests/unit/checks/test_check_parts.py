"""The pure parts: statistics, latency's verdict, redis.conf, grants, what Kubernetes says of pods."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filewallball import pods
from filewallball.checks import latency, suites
from filewallball.checks.result import CheckFailed
from filewallball.checks.stats import percentile, zipf_choices
from filewallball.checks.suites.mariadb_privileges import excess_grants
from filewallball.checks.suites.reach import unreachable
from filewallball.checks.suites.server_conf import differences, normal, parse, split_words
from filewallball.errors import ConfigError

QUICK = [
    "balancer-spread",
    "balancer-status",
    "redis-config",
    "redis-commands",
    "redis-connections",
    "valkey-quorum",
    "valkey-primary",
    "valkey-replicas",
    "valkey-config",
    "valkey-connections",
    "mariadb-transactions",
    "mariadb-connections",
    "mariadb-tls",
    "redis-tls",
    "valkey-tls",
    "backup-schedule",
    "backup-freshness",
    "recovery-point",
    "valkey-snapshot-schedule",
    "valkey-snapshot-freshness",
]


def test_the_names_of_the_checks():
    assert [check.name for check in suites.ALL if check.quick] == QUICK
    assert [check.name for check in suites.ALL if check.harms] == ["redis-eviction"]
    assert len({check.name for check in suites.ALL}) == len(suites.ALL) == 36


def test_percentiles():
    samples = [float(number) for number in range(1, 101)]
    assert percentile(samples, 50) == 50
    assert percentile(samples, 99) == 99
    assert percentile([7.0], 99) == 7
    with pytest.raises(ValueError, match="no samples"):
        percentile([], 50)


@given(st.lists(st.floats(0, 1e6), min_size=1), st.floats(0, 100))
def test_a_percentile_is_a_sample_that_enough_samples_do_not_exceed(samples, percent):
    found = percentile(samples, percent)
    assert found in samples
    assert sum(sample <= found for sample in samples) >= percent / 100 * len(samples) - 1e-9


def test_choices_are_skewed_and_repeatable():
    draws = zipf_choices(1000, 0.8, 50_000, seed=1)
    assert draws == zipf_choices(1000, 0.8, 50_000, seed=1)
    counts = Counter(draws)
    # 1 / (i + 1) ** 0.8: the first is drawn 10 ** 0.8 = 6.3 times as often as the tenth
    assert 5 < counts[0] / counts[9] < 8
    assert max(counts) < 1000


def test_latency_passes_with_one_good_round_and_fails_with_none(monkeypatch):
    rounds = iter([latency.Latency(1, 90), latency.Latency(1, 5)])
    monkeypatch.setattr(latency, "measure", lambda *_: next(rounds))
    assert latency.judge("GET", int, 10, 10, "hint") == "GET p50 1.00 ms, p99 5.00 ms"
    rounds = iter([latency.Latency(1, 90), latency.Latency(1, 50), latency.Latency(1, 70)])
    with pytest.raises(CheckFailed) as caught:
        latency.judge("GET", int, 10, 10, "hint")
    assert "p99 50.00 ms" in caught.value.observed
    assert caught.value.expected == "p99 within 10 ms"


@pytest.mark.parametrize(
    ("word", "form"),
    [
        ("256mb", 268435456),
        ("1GB", 2**30),
        ("1k", 1000),
        ("10", 10),
        ("-2", -2),
        ("5%", "5%"),
        ("Yes", "yes"),
    ],
)
def test_words_in_comparable_form(word, form):
    assert normal(word) == form


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("maxmemory 256mb", ["maxmemory", "256mb"]),
        ('save ""', ["save", ""]),
        (r'requirepass "a \"b\" \x41\n"', ["requirepass", 'a "b" A\n']),
        ("dir '/a b'", ["dir", "/a b"]),
    ],
)
def test_words_of_a_line(line, words):
    assert split_words(line) == words


def test_unbalanced_quotes_are_named_by_their_line():
    with pytest.raises(ConfigError, match="Line 2"):
        parse('port 1\nsave "x')


LIVE = {
    "maxmemory": "268435456",
    "maxmemory-policy": "allkeys-lru",
    "save": "900 1 300 10",
    "client-output-buffer-limit": "normal 0 0 0 slave 268435456 67108864 60 pubsub 33554432 8388608 60",
    "bind": "127.0.0.1 -::1",
    "requirepass": "hunter2",
    "notify-keyspace-events": "AKE",
    "lazyfree-lazy-eviction": "yes",
    "appendfilename": "appendonly.aof",
}


@pytest.mark.parametrize(
    "text",
    [
        "maxmemory 256mb",
        "MAXMEMORY 262144kb",
        "save 900 1\nsave 300 10",
        "save 900 1 300 10",
        'save 60 1\nsave ""\nsave 900 1\nsave 300 10',
        "client-output-buffer-limit replica 256mb 64mb 60",
        "client-output-buffer-limit normal 0 0 0 replica 256mb 64mb 60\n"
        "client-output-buffer-limit pubsub 32mb 8mb 60",
        "bind 127.0.0.1 -::1",
        "requirepass hunter2",
        'notify-keyspace-events "Eg$lshztdxeK"',
        "lazyfree-lazy-eviction YES",
        "maxmemory 1gb\nmaxmemory 256mb",
        "user default off\ninclude /etc/other\n# maxmemory 1\n\n",
    ],
)
def test_declared_as_it_runs(text):
    assert differences(parse(text), LIVE, "redis.conf") == []


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("maxmemory 128mb", "maxmemory is 268435456, redis.conf says 128mb"),
        ('save ""', 'save is 900 1 300 10, redis.conf says ""'),
        ("save 900 1", "save is 900 1 300 10, redis.conf says 900 1"),
        ("client-output-buffer-limit replica 256mb 64mb 90", "redis.conf says replica 256mb 64mb 90"),
        ("requirepass other", "requirepass is (another one), redis.conf says (hidden)"),
        ("maxmemori 1", "maxmemori is unknown to the server, redis.conf says 1"),
        ('notify-keyspace-events ""', 'notify-keyspace-events is AKE, redis.conf says ""'),
    ],
)
def test_declared_otherwise_than_it_runs(text, told):
    [found] = differences(parse(text), LIVE, "redis.conf")
    assert told in str(found)
    assert "hunter2" not in str(found)
    assert "other," not in str(found)


def test_live_save_that_is_empty():
    assert differences(parse('save ""'), {"save": ""}, "redis.conf") == []


GRANT = "TO `filewallball_app`@`%`"


@pytest.mark.parametrize(
    ("line", "told"),
    [
        (f"GRANT USAGE ON *.* {GRANT} IDENTIFIED BY PASSWORD '*123'", []),
        (f"GRANT ALL PRIVILEGES ON `filewallball\\_db`.* {GRANT}", []),
        (f"GRANT SELECT ON `filewallball_db`.`t` {GRANT}", []),
        (f"GRANT SHUTDOWN ON *.* {GRANT} IDENTIFIED BY PASSWORD '*123'", ["SHUTDOWN on everything"]),
        (f"GRANT SELECT, INSERT ON `mysql`.* {GRANT}", ["SELECT, INSERT on mysql"]),
        (
            f"GRANT SELECT ON `filewallball\\_db`.* {GRANT} WITH GRANT OPTION",
            ["pass on its rights (GRANT OPTION)"],
        ),
        (f"GRANT EXECUTE ON PROCEDURE `other`.`p` {GRANT}", ["EXECUTE on other"]),
        (f"GRANT `admin` {GRANT}", ["use a role (`admin`)"]),
    ],
)
def test_grants(line, told):
    assert excess_grants([line], "filewallball_db") == told


def pod(*, state=None, conditions=()):
    statuses = [{"name": "checks", "state": state}] if state is not None else []
    return {"status": {"phase": "Pending", "containerStatuses": statuses, "conditions": list(conditions)}}


def test_pods_in_words():
    pull = pod(state={"waiting": {"reason": "ImagePullBackOff", "message": "no such image"}})
    assert not pods.begun(pull, "checks")
    creating = pod(state={"waiting": {"reason": "ContainerCreating"}})
    assert pods.state(creating) == "ContainerCreating"
    nowhere = pod(
        conditions=[
            {"type": "PodScheduled", "status": "False", "reason": "Unschedulable", "message": "0/1 nodes"}
        ]
    )
    assert pods.state(nowhere) == "0/1 nodes"
    assert pods.state(None) == "it doesn't exist"
    dead = pod(state={"terminated": {"reason": "OOMKilled", "exitCode": 137}})
    assert pods.state(dead) == "OOMKilled"
    assert pods.begun(dead, "checks")
    assert pods.exited(dead, "checks") == {"reason": "OOMKilled", "exitCode": 137}
    assert pods.exited(dead, "other") is None
    assert pods.is_ready(pod(conditions=[{"type": "Ready", "status": "True"}]))


@pytest.mark.parametrize(
    ("seen", "hint"),
    [
        ("Error -2: Name or service not known.", "filewallball:cluster.dns"),
        ("[Errno 113] No route to host", "get networkpolicies"),
        ("Connection refused", "logs deployment/redis"),
    ],
)
def test_hints_of_servers_out_of_reach(seen, hint):
    assert hint in unreachable(seen, "Redis", "ns", "deployment/redis").hint
