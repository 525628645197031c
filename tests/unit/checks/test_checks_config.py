"""checks.json is read strictly, and all its faults are told together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from facts.checks.backups import BackupTarget
from facts.checks.mariadb import MariadbTarget
from facts.checks.redis import RedisTarget
from facts.checks.valkey import ValkeyTarget
from filewallball.checks import config
from filewallball.errors import ConfigError


def document() -> dict[str, Any]:
    return {
        "namespace": "filewallball",
        "disposable": True,
        "redis": {"host": "redis", "port": 6379, "password_file": "/secrets/r", "latency_limit_ms": 10},
        "mariadb": {
            "host": "mariadb",
            "database": "filewallball_db",
            "app_user": "filewallball_app",
            "app_password_file": "/secrets/a",
            "monitor_user": "filewallball_monitor",
            "monitor_password_file": "/secrets/m",
        },
        "backup": {
            "cronjob": "filewallball-backup-cronjob",
            "schedule": "0 2 * * *",
            "time_zone": "Asia/Seoul",
            "store": {"bucket": "b", "endpoint": "http://store:7070", "access_key_file": None},
        },
        "valkey": {
            "members": ["valkey-0:6379", "valkey-1:6379", "valkey-2:6379"],
            "sentinels": [f"valkey-sentinel-{ordinal}:26379" for ordinal in range(5)],
            "quorum": 3,
            "down_after_ms": 1000,
            "failover_timeout_ms": 5000,
            "parallel_syncs": 3,
            "app_password_file": "/secrets/v/app-password",
            "sentinel_password_file": "/secrets/v/sentinel-password",
            "checks_password_file": "/secrets/v/checks-password",
        },
        "snapshots": {
            "cronjob": "filewallball-valkey-snapshot-cronjob",
            "schedule": "15 * * * *",
            "time_zone": "Asia/Seoul",
            "max_age_hours": 3,
            "store": {"bucket": "b", "prefix": "valkey/"},
        },
    }


def test_a_right_document_with_its_defaults():
    loaded = config.parse(json.dumps(document()))
    assert loaded[RedisTarget].address == "redis:6379"
    assert loaded[RedisTarget].hit_rate_min == 0.8
    assert loaded[MariadbTarget].address == "mariadb:3306"
    assert loaded[BackupTarget].max_age_hours == 26
    assert loaded[BackupTarget].store.endpoint == "http://store:7070"
    assert loaded[BackupTarget].store.access_key_file is None
    assert loaded[ValkeyTarget].members == ("valkey-0:6379", "valkey-1:6379", "valkey-2:6379")
    assert loaded[ValkeyTarget].reads is None


@pytest.mark.parametrize(
    ("path", "value", "message"),
    [
        ("redis.port", "6379", 'redis.port: expected a whole number, got "6379"'),
        ("redis.port", True, "redis.port: expected a whole number, got true"),
        ("redis.port", -1, "redis.port: expected a number of 0 or more, got -1"),
        ("redis.latency_limit_ms", "fast", 'redis.latency_limit_ms: expected a number, got "fast"'),
        ("disposable", "no", 'disposable: expected true or false, got "no"'),
        ("mariadb", [], "mariadb: expected an object, got []"),
        ("backup.store.bucket", None, "backup.store.bucket: expected a string, got null"),
        ("redis.hostt", "x", "redis.hostt: unknown key, did you mean host?"),
        ("qqqq", 1, "qqqq: unknown key"),
        ("valkey.members", [], "valkey.members: expected a list with something in it, got []"),
        (
            "valkey.members",
            "valkey-0",
            'valkey.members: expected a list with something in it, got "valkey-0"',
        ),
        ("valkey.sentinels", ["a:1", 2], "valkey.sentinels[1]: expected a string, got 2"),
    ],
)
def test_a_wrong_value_is_named_by_its_path(path, value, message):
    wrong = document()
    *parents, last = path.split(".")
    place = wrong
    for parent in parents:
        place = place[parent]
    place[last] = value
    with pytest.raises(ConfigError) as caught:
        config.parse(json.dumps(wrong))
    assert message in caught.value.message


def test_all_faults_are_told_together():
    wrong = document()
    del wrong["namespace"], wrong["redis"]["host"]
    wrong["backup"]["store"]["buckett"] = "x"
    with pytest.raises(ConfigError) as caught:
        config.parse(json.dumps(wrong))
    for part in ("namespace: missing", "redis.host: missing", "buckett: unknown key, did you mean bucket?"):
        assert part in caught.value.message
    assert "`fwb up`" in caught.value.hint


def test_text_that_is_no_json():
    with pytest.raises(ConfigError, match="line 1, column 2"):
        config.parse("{")


def test_the_file_is_found_by_the_environment(monkeypatch, tmp_path: Path):
    path = tmp_path / "checks.json"
    path.write_text(json.dumps(document()))
    monkeypatch.setenv("FWB_CHECKS_CONFIG", str(path))
    assert config.load().namespace == "filewallball"
    path.unlink()
    with pytest.raises(ConfigError) as caught:
        config.load()
    assert str(path) in caught.value.message
    assert "FWB_CHECKS_CONFIG" in caught.value.hint


def test_a_secret_that_is_not_mounted(tmp_path: Path):
    (tmp_path / "secret").write_text("p w\n")
    assert config.read_secret(str(tmp_path / "secret")) == "p w"
    with pytest.raises(ConfigError, match="Cannot read the secret file"):
        config.read_secret(str(tmp_path / "none"))
