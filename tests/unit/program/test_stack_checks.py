"""The checks' Job: what it is given, what it may do, and when it runs again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import pytest
from program_run import DEV, Rendered, merged

from facts.checks.backups import BackupTarget, SnapshotsTarget

Render = Callable[..., Rendered]


def names(rendered: Rendered) -> set[tuple[str, str]]:
    return {(each.kind, each.inputs["metadata"]["name"]) for each in rendered.objects}


def test_the_checks_configuration_has_no_secret_and_right_paths(dev: Rendered) -> None:
    config = json.loads(dev.object("ConfigMap", "filewallball-checks").inputs["data"]["checks.json"])
    assert config["redis"]["conf"] == "/etc/filewallball/redis.conf"
    assert config["backup"]["store"]["endpoint"] == "http://store:7070"
    assert config["snapshots"]["store"] == config["backup"]["store"] | {"prefix": "valkey/"}
    template = dev.object("PodTemplate", "filewallball-checks").inputs["template"]
    mounted = {mount["mountPath"] for mount in template["spec"]["containers"][0]["volumeMounts"]}
    files = [
        config["redis"]["password_file"],
        config["mariadb"]["app_password_file"],
        config["valkey"]["app_password_file"],
        config["backup"]["store"]["access_key_file"],
    ]
    assert {file.rpartition("/")[0] for file in files} <= mounted


def test_the_checks_understand_the_configuration_that_they_are_given(dev: Rendered, prd: Rendered) -> None:
    from filewallball.checks.config import parse

    for rendered in (dev, prd):
        config = parse(rendered.object("ConfigMap", "filewallball-checks").inputs["data"]["checks.json"])
        jobs = {each.inputs["metadata"]["name"] for each in rendered.objects if each.kind == "CronJob"}
        assert {config[BackupTarget].cronjob, config[SnapshotsTarget].cronjob} == jobs
        [rule] = [
            each
            for each in rendered.object("Role", "filewallball-checks").inputs["rules"]
            if each["resources"] == ["cronjobs"]
        ]
        assert set(rule["resourceNames"]) == jobs


def test_only_a_disposable_stack_lets_the_checks_delete_the_servers_pod(dev: Rendered, prd: Rendered) -> None:
    def deletes(rendered: Rendered) -> list[Any]:
        rules = rendered.object("Role", "filewallball-checks").inputs["rules"]
        return [
            rule.get("resourceNames")
            for rule in rules
            if rule["resources"] == ["pods"] and "delete" in rule["verbs"]
        ]

    assert deletes(dev) == [["mariadb-0"]]
    assert deletes(prd) == []


def checks_job(rendered: Rendered) -> str:
    return next(each.inputs["metadata"]["name"] for each in rendered.objects if each.kind == "Job")


def test_the_checks_run_last_and_again_only_after_a_change(dev: Rendered, render: Render) -> None:
    assert checks_job(dev) == checks_job(render(DEV))
    job = next(each for each in dev.objects if each.kind == "Job")
    servers = {each.urn for each in dev.objects if each.kind in {"StatefulSet", "Deployment", "CronJob"}}
    assert servers <= job.depends_on
    assert job.inputs["metadata"]["annotations"] == {"pulumi.com/replaceUnready": "true"}


@pytest.mark.parametrize(
    "change",
    [
        {"redis": {"maxmemory": "128mb"}},
        {"mariadb": {"maxConnections": 200}},
        {"valkey": {"maxmemory": "128mb"}},
        {"valkey": {"sentinels": 7}},
        {"valkey": {"readsFromReplicas": False}},
        {"mariadb": {"image": "docker.io/library/mariadb:10.11.9"}},
        {"backup": {"schedule": "0 3 * * *"}},
        {"timeZone": "Etc/UTC"},
        {"checks": {"cacheLatencyMs": 5}},
        {"disposable": False},
        {"toolkit": {"image": "registry.example.org/toolkit:2"}},
    ],
)
def test_a_change_makes_a_new_job(dev: Rendered, render: Render, change: dict[str, Any]) -> None:
    assert checks_job(dev) != checks_job(render(merged(DEV, change)))


def test_without_checks_only_the_job_is_left_out(
    dev: Rendered, render: Render, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FWB_NO_CHECKS", "1")
    assert {kind for kind, _ in names(dev) - names(render(DEV))} == {"Job"}
