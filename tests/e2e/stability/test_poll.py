"""`fwb redis poll` while servers fail and slots move, and what stays of it."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from redis_lab import RedisLab, Server, config, wait_for

FWB = [sys.executable, "-m", "filewallball.cli"]


class Polling:
    """A poll in a process of its own."""

    def __init__(self, target: str, folder: Path, seconds: float, rate: float = 200) -> None:
        self.out = folder / "poll.json"
        words = ["redis", "poll", target, "--cwd", str(folder), "--out", str(self.out)]
        self.process = subprocess.Popen(
            [*FWB, *words, "--seconds", str(seconds), "--rate", str(rate)],
            stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def ended(self) -> tuple[int, dict[str, Any]]:
        said = self.process.communicate(timeout=60)[0]
        assert self.out.exists(), said
        return self.process.returncode, json.loads(self.out.read_text(encoding="utf-8"))


def keys(*servers: Server) -> list[str]:
    return [key for each in servers if each.process for key in each.client().scan_iter()]


def loaded(server: Server) -> Callable[[], bool]:
    """More than the one key by which a poll sees that the server takes writes."""
    return lambda: server.client().dbsize() > 1


def test_a_quiet_cluster(cluster: list[Server], tmp_path: Path) -> None:
    code, seen = Polling("local", config(tmp_path, "local", cluster[:1]), 3).ended()
    assert (code, seen["ok"], seen["errors"], seen["lost_writes"]) == (0, True, {}, 0)
    assert len(seen["shards"]) == 3
    assert 500 < seen["requests"] < 700
    assert all(each["segments"][0]["reference"]["p50"] > 0 for each in seen["shards"])
    assert seen["milliseconds"]["reads"]["p50"] <= seen["milliseconds"]["reads"]["p99"]
    assert keys(*cluster) == []


def test_a_failover_is_seen_and_the_load_goes_on(lab: RedisLab, tmp_path: Path) -> None:
    servers = lab.cluster()
    polling = Polling("local", config(tmp_path, "local", servers[:1]), 20)
    wait_for(loaded(servers[1]), 20, lambda: "no load")
    servers[1].stop()
    code, seen = polling.ended()
    assert (code, seen["ok"]) == (1, False)
    [failover] = seen["failovers"]
    assert (failover["from"], failover["to"]) == (servers[1].address, servers[4].address)
    assert 0.5 < seen["longest_outage"] < 18
    assert seen["errors"]
    others = [each for each in seen["shards"] if each["shard"] != 1]
    assert all(sum(row["requests"] for row in each["segments"]) > 300 for each in others)
    assert keys(*servers) == []


def test_moving_slots_are_followed(lab: RedisLab, tmp_path: Path) -> None:
    servers = lab.cluster(2, 0, "cluster-node-timeout 5000")
    polling = Polling("local", config(tmp_path, "local", servers), 4)
    first, *_ = wait_for(lambda: keys(servers[0])[:1], 20, lambda: "no load")
    slot = servers[0].client().execute_command("CLUSTER KEYSLOT", first)
    ids = [each.client().execute_command("CLUSTER MYID") for each in servers]
    servers[1].client().execute_command("CLUSTER SETSLOT", slot, "IMPORTING", ids[0])
    servers[0].client().execute_command("CLUSTER SETSLOT", slot, "MIGRATING", ids[1])
    for _ in range(20):
        moving = servers[0].client().execute_command("CLUSTER GETKEYSINSLOT", slot, 10)
        if moving:
            servers[0].client().execute_command(
                "MIGRATE", "127.0.0.1", servers[1].port, "", 0, 5000, "KEYS", *moving
            )
    for each in (servers[1], servers[0]):
        each.client().execute_command("CLUSTER SETSLOT", slot, "NODE", ids[1])
    code, seen = polling.ended()
    assert (code, seen["errors"], seen["lost_writes"], seen["failovers"]) == (0, {}, 0, [])
    assert seen["redirects"] > 0
    assert keys(*servers) == []


@pytest.mark.nightly
def test_a_sentinel_failover(lab: RedisLab, tmp_path: Path) -> None:
    servers, sentinels = lab.sentinel_set()
    polling = Polling("local", config(tmp_path, "local", sentinels), 8)
    wait_for(loaded(servers[0]), 20, lambda: "no load")
    servers[0].stop()
    code, seen = polling.ended()
    assert code == 1
    [failover] = seen["failovers"]
    assert failover["from"] == servers[0].address
    assert 0.5 < seen["longest_outage"] < 7
    assert keys(*servers[1:]) == []


def test_after_ctrl_c_no_key_is_left(single: Server, tmp_path: Path) -> None:
    polling = Polling(single.url, tmp_path, 60)
    wait_for(loaded(single), 20, lambda: "no load")
    single.send(signal.SIGSTOP)  # a request is under way
    polling.process.send_signal(signal.SIGINT)
    threading.Timer(0.5, single.send, [signal.SIGCONT]).start()
    said = polling.process.communicate(timeout=30)[0]
    assert polling.process.returncode == 130
    assert "interrupted" in said
    assert "Traceback" not in said
    assert keys(single) == []
    assert not polling.out.exists()


def test_a_frozen_server_costs_more_than_the_one_request(single: Server, tmp_path: Path) -> None:
    """What waits behind a slow answer counts as late, though it is sent only when there is an answer."""
    polling = Polling(single.url, tmp_path, 3)
    wait_for(loaded(single), 20, lambda: "no load")
    single.send(signal.SIGSTOP)
    threading.Timer(0.6, single.send, [signal.SIGCONT]).start()
    code, seen = polling.ended()
    assert (code, seen["errors"]) == (0, {})
    assert seen["milliseconds"]["all"]["max"] > 500
    assert seen["milliseconds"]["all"]["p90"] > 20


def test_a_server_that_takes_no_write_is_told_at_once(lab: RedisLab, tmp_path: Path) -> None:
    server = lab.server("maxmemory 1mb", "maxmemory-policy noeviction")
    server.client().config_set("maxmemory", 1)
    words = [*FWB, "redis", "poll", server.url, "--cwd", str(tmp_path)]
    ended = subprocess.run(words, capture_output=True, text=True, timeout=30, env=dict(os.environ))
    assert ended.returncode == 1
    assert f"fwb: {server.address}: " in ended.stderr
    assert "maxmemory" in ended.stderr
    assert [each.name for each in tmp_path.iterdir()] == []
