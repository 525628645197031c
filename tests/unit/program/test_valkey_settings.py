"""The session set's configuration: what can't work is refused before anything happens."""

from __future__ import annotations

from typing import Any

import pytest
from program_run import DEV, PRD, merged

import settings


def valkey(change: dict[str, Any]) -> Any:
    return settings.load(merged(DEV, {"valkey": change}), "test").valkey


@pytest.mark.parametrize(
    ("change", "path", "parts"),
    [
        ({"replicas": 0}, "replicas", ["= 0: without a replica, all sessions are lost", "write 1 to 6"]),
        ({"replicas": 7}, "replicas", ["= 7: too many: the primary sends every write", "write 1 to 6"]),
        ({"replicas": "two"}, "replicas", ['= "two": not a whole number; write one such as 2']),
        ({"sentinels": 1}, "sentinels", ["= 1: too few: when one is lost", "write 3, 5, 7 or 9"]),
        ({"sentinels": 2}, "sentinels", ["= 2: too few: when one is lost", "write 3, 5, 7 or 9"]),
        ({"sentinels": 4}, "sentinels", ["= 4: an even number", "write 3 or 5"]),
        ({"sentinels": 11}, "sentinels", ["= 11: too many: each asks all others", "write 3, 5, 7 or 9"]),
        ({"quorum": 2}, "quorum", ["= 2: no majority of 5 sentinels", "write 3 to 5"]),
        ({"quorum": 6}, "quorum", ["= 6: more than the 5 sentinels", "write 3 to 5"]),
        ({"sentinels": 7, "quorum": 3}, "quorum", ["= 3: no majority of 7 sentinels", "write 4 to 7"]),
        ({"downAfterMs": 499}, "downAfterMs", ["= 499: too short: a busy server", "write 500 or more"]),
        ({"downAfterMs": 60001}, "downAfterMs", ["be noticed after", "write 60000 or less"]),
        (
            {"failoverTimeoutMs": 1999},
            "failoverTimeoutMs",
            [
                "valkey.failoverTimeoutMs 1999 is less than twice valkey.downAfterMs 1000 (the default): ",
                "of 2000 to 600000",
            ],
        ),
        (
            {"downAfterMs": 3000},
            "downAfterMs",
            [
                "= 3000: valkey.failoverTimeoutMs 5000 (the default) is less than twice valkey.downAfterMs"
                " 3000:",
                "of 6000 to 600000",
            ],
        ),
        ({"failoverTimeoutMs": 600001}, "failoverTimeoutMs", ["over ten minutes", "write 2000 to 600000"]),
        ({"minReplicasMaxLag": 1}, "minReplicasMaxLag", ["report once a second", "write 2 to 10"]),
        ({"minReplicasMaxLag": 11}, "minReplicasMaxLag", ["writes that get lost", "write 2 to 10"]),
        ({"logLevel": "info"}, "logLevel", ['= "info": no such log level; write one of debug, verbose']),
        (
            {"maxmemory": "512mb"},
            "maxmemory",
            [
                "valkey.maxmemory 512mb doesn't fit into valkey.resources.memoryLimit 768Mi (the default)"
                " while a save runs",
                "of 1280Mi or more, or a maxmemory of 284mb or",
            ],
        ),
        (
            {"storage": {"size": "300Mi"}},
            "storage.size",
            [
                "valkey.maxmemory 256mb (the default) doesn't fit onto valkey.storage.size 300Mi",
                "of 384Mi or more, or a maxmemory of 200mb or",
            ],
        ),
        (
            {"storage": {"size": "600Mi"}, "appendOnly": True},
            "storage.size",
            ["storage.size 600Mi", "a size of 640Mi"],
        ),
        ({"storage": {"hostPath": "/srv"}}, "storage.hostPath", ["write one of size, storageClass"]),
        ({"sentinelStorage": {"size": "64MB"}}, "sentinelStorage.size", ["not a quantity of bytes"]),
        ({"image": "valkey/valkey:latest"}, "image", ["latest changes without notice"]),
        ({"snapshots": {"schedule": "hourly"}}, "snapshots.schedule", ["a schedule has 5 fields"]),
        ({"snapshots": {"keep": 1}}, "snapshots.keep", ["= 1: out of bounds; write 2 to 500"]),
        (
            {"snapshots": {"workSize": "500Mi"}},
            "snapshots.workSize",
            ["snapshots.workSize 500Mi twice", "workSize of 512Mi"],
        ),
        ({"snapshots": {"keep": "all"}}, "snapshots.keep", ["not a whole number; write 2 to 500"]),
        (
            {"image": "valkey/valkey:9.0"},
            "image",
            ["another version than Valkey 8.1", "write a tag such as 8.1"],
        ),
        ({"image": "valkey/valkey:8.10-alpine"}, "image", ["another version than Valkey 8.1"]),
        ({"savePoints": ""}, "savePoints", ["not pairs of seconds and changes; write such as"]),
        ({"savePoints": "900 1 300"}, "savePoints", ["not pairs"]),
        ({"savePoints": "900 0"}, "savePoints", ["not pairs"]),
        (
            {"resources": {"memory": "1Gi"}},
            "resources.memory",
            ['= "1Gi": more than valkey.resources.memoryLimit 768Mi', "write a memoryLimit of 1Gi or more"],
        ),
        ({"replica": 3}, "replica", ["no such key; did you mean replicas?"]),
    ],
)
def test_a_set_that_cannot_work_is_refused(change: dict[str, Any], path: str, parts: list[str]) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        valkey(change)
    [line] = str(raised.value).splitlines()[1:]
    assert line.startswith(f"  valkey.{path}" if path else "  valkey: ")
    for part in parts:
        assert part in line
    assert raised.value.exit_code == 2


def test_faults_of_the_set_are_reported_together_with_all_others() -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.load(merged(DEV, {"timeZone": "Nowhere", "valkey": {"replicas": 0, "sentinels": 4}}), "test")
    assert {path for path, _, _ in raised.value.faults} == {"timeZone", "valkey.replicas", "valkey.sentinels"}


def test_all_that_does_not_fit_together_is_reported_at_once() -> None:
    with pytest.raises(settings.SettingsError) as raised:
        valkey({"maxmemory": "1gb", "quorum": 2, "downAfterMs": 3000})
    places = [path for path, _, _ in raised.value.faults]
    assert places == ["valkey.quorum", "valkey.downAfterMs", *["valkey.maxmemory"] * 3]


def test_a_protected_stack_wants_the_servers_by_digest() -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.load(merged(PRD, {"valkey": {"image": "docker.io/valkey/valkey:8.1"}}), "test")
    [(path, _, why)] = raised.value.faults
    assert path == "valkey.image"
    assert "`fwb images pin STACK` finds its digest and writes docker.io/valkey/valkey:8.1@sha256:" in why


def test_what_is_asked_for_is_the_default() -> None:
    found = valkey({})
    assert (found.replicas, found.members, found.sentinels, found.votes) == (2, 3, 5, 3)
    assert (found.maxmemory, found.append_only, found.reads_from_replicas) == ("256mb", False, True)


@pytest.mark.parametrize(("sentinels", "majority"), [(3, 2), (5, 3), (7, 4), (9, 5)])
def test_the_quorum_left_out_is_a_majority(sentinels: int, majority: int) -> None:
    assert valkey({"sentinels": sentinels}).votes == majority


@pytest.mark.parametrize(
    "change",
    [
        {"replicas": 1, "sentinels": 3, "quorum": 3},
        {"replicas": 6, "sentinels": 9, "quorum": 5},
        {"downAfterMs": 500, "failoverTimeoutMs": 1000, "minReplicasMaxLag": 2},
        {"maxmemory": "512mb", "resources": {"memoryLimit": "1280Mi"}, "storage": {"size": "2Gi"}},
        {"appendOnly": True, "logLevel": "debug", "savePoints": "60 1"},
        {"image": "registry.example/mine/valkey:8.1.5-bookworm"},
        {"image": "registry.example:5000/valkey:stable"},
    ],
)
def test_what_just_works_is_taken(change: dict[str, Any]) -> None:
    assert valkey(change)
