"""A stack's configuration: every fault at once, with its path, what was given, why, and what to write."""

from __future__ import annotations

from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from program_run import DEV, PRD, ROOT, merged
from pydantic import TypeAdapter

import settings
from components import schema
from components.values import Cron
from filewallball.project import load_project, load_stack


def faults(change: dict[str, Any], base: dict[str, Any] = DEV) -> dict[str, str]:
    """Dotted path → why, for a stack with these changes."""
    with pytest.raises(settings.SettingsError) as raised:
        settings.load(merged(base, change), "test")
    return {path: why for path, _, why in raised.value.faults}


def test_all_faults_are_reported_together_with_path_value_reason_and_advice() -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.load(
            merged(
                DEV,
                {
                    "timeZone": "Asia/Soul",
                    "namespcae": "x",
                    "mariadb": {"storage": {"size": "10 GB"}, "maxConections": 5},
                    "backup": {"schedule": "0 25 * * *"},
                    "redis": {"maxmemory": "1gb"},
                },
            ),
            "staging",
        )
    lines = str(raised.value).splitlines()
    assert lines[0] == "Pulumi.staging.yaml: 6 values are wrong; nothing has been changed."
    text = "\n".join(lines[1:])
    assert 'timeZone = "Asia/Soul": no such time zone; write a name of the IANA list' in text
    assert 'namespcae = "x": no such key; did you mean namespace?' in text
    assert 'mariadb.storage.size = "10 GB": not a quantity of bytes; write' in text
    assert "mariadb.maxConections = 5: no such key; did you mean maxConnections?" in text
    assert "backup.schedule = \"0 25 * * *\": '25' is no hour; write" in text
    assert (
        'redis.maxmemory = "1gb": redis.maxmemory 1gb doesn\'t fit into redis.resources.memoryLimit' in text
    )
    assert "write a memoryLimit of 1312Mi or more" in text
    assert raised.value.exit_code == 2


@pytest.mark.parametrize(
    ("change", "path", "part"),
    [
        ({"cluster": {"context": "x"}}, "cluster.context", "write cluster.context: NAME or cluster.sandbox"),
        ({"cluster": {"sandbox": None}}, "cluster.context", "and only one of them"),
        ({"cluster": {"kubeconfig": "/x"}}, "cluster.kubeconfig", "a sandbox has a kubeconfig of its own"),
        (
            {"cluster": "x"},
            "cluster",
            "not a mapping; write keys below it: apiServerPorts, context, dns, kubeconfig, sandbox",
        ),
        ({"namespace": "File_Wall"}, "namespace", "not a name for Kubernetes"),
        ({"disposable": "perhaps"}, "disposable", "write true or false"),
        ({"mariadb": {"image": "mariadb:latest"}}, "mariadb.image", "latest changes without notice"),
        ({"mariadb": {"image": "mariadb"}}, "mariadb.image", "not an image with a version"),
        ({"mariadb": {"bufferPool": "600Mi"}}, "mariadb.bufferPool", "write a memoryLimit of 1001Mi or more"),
        ({"mariadb": {"maxConnections": 5}}, "mariadb.maxConnections", "out of bounds; write 10 "),
        (
            {"mariadb": {"maxConnections": 9000}},
            "mariadb.maxConnections",
            "don't fit into mariadb.resources.memoryLimit 640Mi (the default) beside mariadb.bufferPool",
        ),
        ({"mariadb": {"reservedConnections": 5}}, "mariadb.reservedConnections", "out of bounds; write 32 "),
        ({"redis": {"maxConnections": 20000}}, "redis.maxConnections", "out of bounds; write 10 "),
        (
            {"redis": {"maxConnections": 9000}},
            "redis.maxConnections",
            "232mb, more than half of redis.maxmemory 256mb (the default); write a maxmemory of 463mb",
        ),
        ({"redis": {"reservedConnections": 0}}, "redis.reservedConnections", "out of bounds; write 32 "),
        (
            {"valkey": {"maxConnections": 9000}},
            "valkey.maxConnections",
            "don't fit into valkey.sentinelResources.memoryLimit 128Mi (the default); write a memoryLimit of",
        ),
        (
            {"valkey": {"reservedConnections": 40}},
            "valkey.reservedConnections",
            "too few for 3 servers and 5 sentinels; write 41 or more",
        ),
        (
            {"valkey": {"sentinelResources": {"memoryLimit": "32Mi"}}},
            "valkey.sentinelResources.memoryLimit",
            "write a memoryLimit of 44Mi or more",
        ),
        ({"mariadb": {"storage": {"hostPath": "data"}}}, "mariadb.storage.hostPath", "not an absolute path"),
        (
            {"mariadb": {"storage": {"hostPath": "/d", "storageClass": "fast"}}},
            "mariadb.storage.hostPath",
            "storageClass and hostPath exclude each other",
        ),
        ({"mariadb": {"storage": {"hostPath": "/d"}}}, "mariadb.storage.node", "write the node's name"),
        ({"mariadb": {"storage": {"node": "n-1"}}}, "mariadb.storage.node", "has no use without hostPath"),
        ({"mariadb": {"storage": {"size": "0Gi"}}}, "mariadb.storage.size", "nothing fits in it"),
        ({"mariadb": {"resources": {"cpu": "lots"}}}, "mariadb.resources.cpu", "not an amount of CPU"),
        (
            {"mariadb": {"resources": {"memory": "9Gi"}}},
            "mariadb.resources.memory",
            "write a memoryLimit of 9Gi or more",
        ),
        ({"redis": {"maxmemory": "256Mi"}}, "redis.maxmemory", "such as 256mb"),
        ({"redis": {"maxmemory": "0"}}, "redis.maxmemory", "0 would mean no limit"),
        ({"backup": {"schedule": "@every 1h"}}, "backup.schedule", "@hourly, @daily"),
        ({"backup": {"schedule": "0 2 * *"}}, "backup.schedule", "this has 4"),
        ({"backup": {"schedule": "*/0 2 * * *"}}, "backup.schedule", "is no minute"),
        ({"backup": {"store": {"bucket": "Upper"}}}, "backup.store.bucket", "not a bucket's name"),
        ({"backup": {"store": {"prefix": "dev"}}}, "backup.store.prefix", "names that each end in /"),
        ({"backup": {"store": {"endpoint": "s3.example.org"}}}, "backup.store.endpoint", "not a URL"),
        ({"backup": {"store": {"endpoint": "http://x:1"}}}, "backup.store.endpoint", "leave it out"),
        ({"backup": {"store": {"inCluster": False}}}, "backup.store.bucket", "no bucket is named"),
        ({"backup": {"retention": 3}}, "backup.retention", "no such key"),
        ({"agent": {"image": "Not an image"}}, "agent.image", "not an image"),
        ({"agent": {"imag": "r.test/agent:1"}}, "agent.imag", "did you mean image?"),
        ({"agent": "r.test/agent:1"}, "agent", "not a mapping"),
        ({"checks": {"cacheHitRate": 80}}, "checks.cacheHitRate", "out of bounds; write 0 to 1"),
        (
            {"protect": True, "toolkit": {"image": "x/y:1"}},
            "disposable",
            "a protected stack isn't disposable",
        ),
    ],
)
def test_a_wrong_value_is_named_with_what_to_write(change: dict[str, Any], path: str, part: str) -> None:
    found = faults(change)
    assert part in found[path]


def test_a_missing_part_says_which_keys_it_has() -> None:
    with pytest.raises(
        settings.SettingsError, match=r"cluster: must be set; write keys below it: apiServerPorts, context"
    ):
        settings.load({"backup": {"store": {"inCluster": True}}}, "test")


def test_a_protected_stack_refuses_tags_even_beside_other_faults() -> None:
    found = faults({"mariadb": {"image": "docker.io/library/mariadb:10.11"}, "timeZone": "Nowhere"}, PRD)
    assert set(found) == {"mariadb.image", "timeZone"}
    assert "`fwb images pin STACK` finds its digest" in found["mariadb.image"]


def test_a_stack_whose_agents_run_in_the_toolkit_is_warned_of_restarts() -> None:
    today = datetime(2026, 1, 1)
    pushed = {"toolkit": {"image": "r.test/toolkit:1"}}
    [warning] = settings.load(merged(DEV, pushed), "test").warnings(today)
    assert "filewallball:agent.image isn't set" in warning
    for change in ({}, pushed | {"agent": {"image": "r.test/agent:1"}}):
        assert not list(settings.load(merged(DEV, change), "test").warnings(today))


def test_a_protected_stack_refuses_an_agents_image_by_tag() -> None:
    assert "@sha256:" in faults({"agent": {"image": "r.test/agent:1"}}, PRD)["agent.image"]


@pytest.mark.parametrize(
    "schedule", ["0 2 * * *", "*/15 0-6,22 * jan-mar mon-fri", "30 4 1,15 * 6", "0 */2 * * 0"]
)
def test_schedules_as_cron_has_them(schedule: str) -> None:
    assert TypeAdapter(Cron).validate_python(schedule) == schedule


def test_part_of_the_resources_leaves_the_other_defaults_of_that_place() -> None:
    stack = settings.load(merged(DEV, {"mariadb": {"resources": {"memoryLimit": "1Gi"}}}), "test")
    assert (stack.mariadb.resources.memory, stack.mariadb.resources.memory_limit) == ("384Mi", "1Gi")


def test_values_come_as_pulumi_hands_them_over() -> None:
    text = {
        "filewallball:cluster": '{"sandbox": "filewallball"}',
        "filewallball:disposable": "true",
        "filewallball:backup": '{"store": {"inCluster": true}}',
        "kubernetes:context": "another owner's",
    }
    assert settings.load(text, "test") == settings.load(DEV, "test")


def test_snake_case_is_no_second_spelling() -> None:
    assert "did you mean timeZone?" in faults({"time_zone": "Asia/Seoul"})["time_zone"]


def of_file(stack: str) -> settings.Settings:
    config = load_stack(load_project(ROOT), stack)
    return settings.load(config.values, stack, config.secret_keys)


def test_the_dev_stack_is_right() -> None:
    assert of_file("dev").disposable


def test_the_program_stops_with_one_message_and_exit_code_2(render: Any) -> None:
    import pulumi

    with pytest.raises(pulumi.RunError, match=r"Pulumi\.test\.yaml: one value is wrong") as raised:
        render({**DEV, "timeZone": "Nowhere"})
    assert raised.value.exit_code == 2  # type: ignore[attr-defined]


def test_the_sandbox_is_found_where_the_toolkit_puts_it(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    from filewallball import paths

    cluster = schema.Cluster(sandbox="some")
    assert cluster.kubeconfig_path() == str(paths.sandbox_kubeconfig("some"))
    monkeypatch.setenv("FWB_STATE", str(tmp_path))
    assert cluster.kubeconfig_path() == str(paths.sandbox_kubeconfig("some"))
