"""The checks on a real stack: all good on a sound one; each thing is then really broken, seen, and mended."""
# ruff: noqa: S314 (the XML is our own)

from __future__ import annotations

import base64
import copy
import json
import re
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from xml.etree import ElementTree as ET

import pytest
from checked_stack import CheckedStack
from session_set import SessionSet
from shared_stack import FROM_NOTHING, NAMESPACE, STACK, SharedStack
from stack_project import write_stack

from filewallball import pods
from filewallball.checks import remote
from filewallball.checks.suites import ALL
from filewallball.errors import UserError

CRON = ("batch/v1", "CronJob", "filewallball-backup-cronjob")
TEMPLATE = ("v1", "PodTemplate", "filewallball-checks")
CONTAINER = "/spec/jobTemplate/spec/template/spec/containers/0"
PATIENCE = 120


@pytest.fixture(scope="module")
def stack(shared_stack: SharedStack) -> CheckedStack:
    return CheckedStack(shared_stack)


def wait_until(holds: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not holds():
        assert time.monotonic() < deadline, f"waited {PATIENCE} s for {what}"
        time.sleep(0.2)


@pytest.mark.timeout(FROM_NOTHING + 120)
def test_up_runs_the_full_set_once_and_then_the_quick_one(stack):
    first = stack.shared.began
    missing = re.compile(r"-tls$|^balancer-|^app-")  # of what this stack hasn't
    there = [check for check in ALL if not missing.search(check.name)]
    expected = [f"{check.name}: OK" for check in there if not check.deep]
    assert [line for line in first.stdout.splitlines() if line in expected] == expected, first.stdout
    assert first.returncode == 0, first.stderr
    again = stack.fwb("up", STACK, "--engine", "embedded", "--yes")
    expected = [f"{check.name}: OK" for check in there if check.quick]
    assert [line for line in again.stdout.splitlines() if line.endswith(": OK")] == expected, again.stdout
    assert again.returncode == 0


def test_deep_checks_as_json_and_junit_leave_nothing_behind(stack, tmp_path: Path):
    report = tmp_path / "reports" / "junit.xml"
    done = stack.fwb("check", STACK, "redis-hit-rate", "redis-eviction", "--json", "--junit", str(report))
    assert done.returncode == 0, done.stdout + done.stderr
    results = json.loads(done.stdout)
    assert [(one["name"], one["status"]) for one in results] == [
        ("redis-hit-rate", "ok"),
        ("redis-eviction", "ok"),
    ]
    assert "the server counted" in results[0]["observed"]
    assert ET.parse(report).getroot()[0].get("tests") == "2"
    keys = stack.exec(
        "deploy/redis",
        "sh",
        "-c",
        'redis-cli --user app -a "$(cat /secrets/redis-credentials/'
        "app-password)\" --no-auth-warning --scan --pattern 'fwb:check:*'",
    )
    assert keys.strip() == ""
    assert stack.jobs() == []


@pytest.mark.nightly
def test_schedule_that_was_edited(stack):
    patch = {
        "spec": {"suspend": True, "schedule": "0 4 * * *", "timeZone": "UTC", "concurrencyPolicy": "Allow"}
    }
    back = {
        "spec": {
            "suspend": False,
            "schedule": "0 2 * * *",
            "timeZone": "Asia/Seoul",
            "concurrencyPolicy": "Forbid",
        }
    }
    with stack.patched(*CRON, patch, back):
        broken = stack.check("backup-schedule")["backup-schedule"]
    assert broken.status == "failed"
    assert broken.observed == (
        "schedule is 0 4 * * *, timeZone is UTC, suspend is true, concurrencyPolicy is Allow"
    )
    assert "fwb up" in broken.hint
    assert stack.check("backup-schedule")["backup-schedule"].status == "ok"


@pytest.mark.nightly
def test_cronjob_that_is_gone(stack):
    cron = stack.kube.get(*CRON, NAMESPACE)
    metadata = {key: cron["metadata"][key] for key in ("name", "namespace", "labels", "annotations")}
    stack.kube.delete(*CRON, NAMESPACE)
    try:
        wait_until(lambda: stack.kube.get(*CRON, NAMESPACE) is None, "the CronJob to go")
        found = stack.check("backup-schedule", "backup-run")
    finally:
        stack.kube.apply({**cron, "metadata": metadata, "status": {}}, manager="fwb")
    assert {result.status for result in found.values()} == {"failed"}
    assert "no CronJob" in found["backup-run"].observed


@pytest.mark.nightly
def test_wrong_password_of_the_store(stack):
    name = ("v1", "Secret", "store-credentials")
    right = stack.kube.get(*name, NAMESPACE)["data"]["secret-key"]
    wrong = base64.b64encode(b"wrong-secret-key").decode()
    with stack.patched(*name, {"data": {"secret-key": wrong}}, {"data": {"secret-key": right}}):
        found = stack.check("backup-run", "backup-freshness")
    assert found["backup-run"].status == "failed"
    assert "backup failed" in found["backup-run"].observed
    assert "The log ends with" in found["backup-run"].hint
    assert found["backup-freshness"].status == "failed"
    assert "filewallball:backup.store.credentialsSecret" in found["backup-freshness"].hint
    assert stack.jobs() == []


@pytest.mark.nightly
def test_backup_of_another_database(stack):
    stack.exec(
        "mariadb-0",
        "mariadb",
        "--user=mysql",
        "-e",
        "CREATE DATABASE IF NOT EXISTS another; "
        "GRANT SELECT, SHOW VIEW, TRIGGER, EVENT ON another.* TO filewallball_backup",
    )
    environment = stack.kube.get(*CRON, NAMESPACE)["spec"]["jobTemplate"]["spec"]["template"]["spec"][
        "containers"
    ][0]["env"]
    place = next(number for number, one in enumerate(environment) if one["name"] == "FWB_DB_NAME")

    def name_database(name: str) -> list[dict[str, str]]:
        return [{"op": "replace", "path": f"{CONTAINER}/env/{place}/value", "value": name}]

    with stack.patched(*CRON, name_database("another"), name_database("filewallball_db"), how="json"):
        broken = stack.check("backup-run")["backup-run"]
    assert broken.status == "failed"
    assert "nothing of table fwb_check_" in broken.observed
    assert "it backs up another" in broken.hint


def test_backups_that_are_gone_or_damaged(stack):
    before = stack.check("backup-freshness")["backup-freshness"]
    assert before.status == "ok", before.line()
    stack.exec(
        "deploy/store",
        "sh",
        "-c",
        "find / -name '*.sql.gz' -path '*filewallball-backups*' 2>/dev/null | "
        'while read -r file; do echo more >> "$file"; done',
    )
    damaged = stack.check("backup-freshness")["backup-freshness"]
    assert damaged.status == "failed"
    assert "no verified backup" in damaged.observed
    assert "backup-run" in damaged.hint
    mended = stack.check("backup-run", "backup-freshness")
    assert {result.status for result in mended.values()} == {"ok"}, mended


@pytest.mark.nightly
def test_backup_that_is_too_old(stack):
    name = ("v1", "ConfigMap", "filewallball-checks")
    right = stack.kube.get(*name, NAMESPACE)["data"]["checks.json"]
    config = json.loads(right)
    config["backup"]["max_age_hours"] = 0
    with stack.patched(
        *name, {"data": {"checks.json": json.dumps(config)}}, {"data": {"checks.json": right}}
    ):
        old = stack.check("backup-freshness")["backup-freshness"]
    assert old.status == "failed"
    assert "the newest verified backup" in old.observed
    assert old.expected == "younger than 0 h"


@pytest.mark.nightly
def test_stack_that_is_not_disposable(stack):
    name = ("v1", "ConfigMap", "filewallball-checks")
    right = stack.kube.get(*name, NAMESPACE)["data"]["checks.json"]
    changed = json.dumps({**json.loads(right), "disposable": False})
    pod = stack.kube.get("v1", "Pod", "mariadb-0", NAMESPACE)
    with stack.patched(*name, {"data": {"checks.json": changed}}, {"data": {"checks.json": right}}):
        found = stack.check("redis-eviction", "mariadb-persistence")
    assert found["redis-eviction"].status == "failed"
    assert "not marked as disposable" in found["redis-eviction"].observed
    assert found["mariadb-persistence"].status == "ok"
    assert "left alone" in found["mariadb-persistence"].observed
    assert stack.kube.get("v1", "Pod", "mariadb-0", NAMESPACE)["metadata"]["uid"] == pod["metadata"]["uid"]


@pytest.mark.nightly
def test_database_that_keeps_its_data_in_the_pod(stack):
    """First without the claim; then with it, but mounted where the server doesn't write."""
    name = ("apps/v1", "StatefulSet", "mariadb")
    template = stack.kube.get(*name, NAMESPACE)["spec"]["template"]

    def put(template: dict[str, Any]) -> None:
        patch = [{"op": "replace", "path": "/spec/template", "value": template}]
        stack.kube.patch(*name, NAMESPACE, patch, type="json")

    broken = copy.deepcopy(template)
    [data] = [volume for volume in broken["spec"]["volumes"] if "persistentVolumeClaim" in volume]
    claim = data.pop("persistentVolumeClaim")
    data["emptyDir"] = {}
    try:
        put(broken)
        without = stack.check("mariadb-persistence")["mariadb-persistence"]
        broken["spec"]["volumes"].append({"name": "aside", "persistentVolumeClaim": claim})
        broken["spec"]["containers"][0]["volumeMounts"].append({"name": "aside", "mountPath": "/aside"})
        put(broken)
        wait_until(lambda: rolled_out(stack.kube.get(*name, NAMESPACE)), "MariaDB on a volume of its pod")
        aside = stack.check("mariadb-persistence")["mariadb-persistence"]
    finally:
        put(template)
        wait_until(lambda: rolled_out(stack.kube.get(*name, NAMESPACE)), "MariaDB on its claim again")
    mended = stack.check("mariadb-persistence")["mariadb-persistence"]

    assert without.status == "failed"
    assert "mounts no claim" in without.observed
    assert "fwb up" in without.hint
    assert aside.status == "failed"
    assert "after the pod was deleted the row reads nothing" in aside.observed
    assert "isn't on the volume" in aside.hint
    assert mended.status == "ok", mended.line()


def rolled_out(workload: dict[str, Any]) -> bool:
    status = workload["status"]
    return (
        status.get("observedGeneration") == workload["metadata"]["generation"]
        and status.get("currentRevision") == status.get("updateRevision")
        and status.get("readyReplicas") == 1
    )


@pytest.fixture
def sessions(stack: CheckedStack) -> Iterator[SessionSet]:
    found = SessionSet(stack, stack.shared.sandbox.name)
    with found.little_patience():
        yield found
    found.close()


@pytest.mark.nightly
def test_sentinel_that_hangs(stack, sessions):
    with sessions.frozen("valkey-sentinel-2", "sentinel"):
        found = stack.check("valkey-quorum", "valkey-primary", "valkey-replicas")
    for name in ("valkey-quorum", "valkey-primary"):
        assert found[name].status == "failed"
        assert found[name].observed == "valkey-sentinel-2: no answer within 2 s"
        assert "delete pod valkey-sentinel-2" in found[name].hint
    assert found["valkey-replicas"].status == "ok", found["valkey-replicas"].line()


@pytest.mark.nightly
def test_replica_that_is_cut_off(stack, sessions):
    [cut, _] = sessions.replicas()
    with sessions.cut_off(cut):
        found = stack.check("valkey-primary", "valkey-replicas", "valkey-reads")
    assert found["valkey-primary"].observed.endswith(f"no answer from {cut}")
    for name in ("valkey-replicas", "valkey-reads"):
        assert found[name].status == "failed"
        assert found[name].observed.startswith(f"{cut}: Timeout")


@pytest.mark.nightly
def test_member_that_was_changed_by_hand(stack, sessions):
    [changed, _] = sessions.replicas()
    sessions.call(changed, "CONFIG", "SET", "maxmemory-policy", "noeviction")
    found = stack.check("valkey-config")["valkey-config"]
    sessions.call(changed, "CONFIG", "SET", "maxmemory-policy", "allkeys-lru")
    assert found.status == "failed"
    assert found.observed == f"{changed}: maxmemory-policy is noeviction, valkey.conf says allkeys-lru"
    assert f"delete pod {changed}" in found.hint


@pytest.mark.nightly
def test_network_that_is_closed(stack):
    name = ("networking.k8s.io/v1", "NetworkPolicy", "redis-clients")
    closed = [{"op": "replace", "path": "/spec/podSelector", "value": {"matchLabels": {"no": "body"}}}]
    selector = stack.kube.get(*name, NAMESPACE)["spec"]["podSelector"]
    opened = [{"op": "replace", "path": "/spec/podSelector", "value": selector}]
    with stack.patched(*name, closed, opened, how="json"):
        result = stack.check("redis-memory")["redis-memory"]
    assert result.status == "failed"
    assert "get networkpolicies" in result.hint


@pytest.mark.nightly
def test_role_that_was_taken_away(stack):
    name = ("rbac.authorization.k8s.io/v1", "Role", "filewallball-checks")
    rules = stack.kube.get(*name, NAMESPACE)["rules"]
    with stack.patched(*name, {"rules": rules[:1]}, {"rules": rules}):
        result = stack.check("backup-schedule")["backup-schedule"]
    assert result.status == "failed"
    assert "describe role filewallball-checks" in result.hint


@pytest.mark.parametrize(
    ("path", "value", "reason", "hint"),
    [
        (
            "/containers/0/image",
            "nowhere.invalid/toolkit:1",
            "ErrImagePull|ImagePullBackOff",
            "toolkit.image",
        ),
        pytest.param(
            "/nodeSelector", {"no": "node"}, "Unschedulable", "add a node", marks=pytest.mark.nightly
        ),
        pytest.param("/serviceAccountName", "nobody", "FailedCreate", "fwb up", marks=pytest.mark.nightly),
    ],
)
def test_pod_that_cannot_start(stack, monkeypatch, path, value, reason, hint):
    monkeypatch.setattr(pods, "CERTAIN_AFTER", dict.fromkeys(pods.CERTAIN_AFTER, 1.0))
    spec = stack.kube.get(*TEMPLATE, NAMESPACE)["template"]["spec"]
    broken = [{"op": "add", "path": f"/template/spec{path}", "value": value}]
    mended = [{"op": "replace", "path": "/template/spec", "value": spec}]
    with stack.patched(*TEMPLATE, broken, mended, how="json"), pytest.raises(UserError) as caught:
        stack.check("redis-memory")
    assert re.search(reason, caught.value.message), caught.value.message
    assert hint in caught.value.hint
    wait_until(lambda: stack.jobs() == [], "the Job to go")


@pytest.mark.nightly
def test_pod_without_its_configuration(stack):
    name = ("v1", "ConfigMap", "filewallball-checks")
    right = stack.kube.get(*name, NAMESPACE)["data"]["checks.json"]
    with (
        stack.patched(*name, {"data": {"checks.json": "{}"}}, {"data": {"checks.json": right}}),
        pytest.raises(UserError) as caught,
    ):
        stack.check("redis-memory")
    assert "namespace: missing" in caught.value.message


def test_stack_that_is_not_deployed(stack):
    write_stack(stack.shared.project, "nowhere", stack.shared.sandbox.name)
    done = stack.fwb("check", "nowhere")
    assert done.returncode == 1
    assert "stack nowhere isn't deployed" in done.stderr
    assert "fwb up nowhere" in done.stderr
    assert "Traceback" not in done.stderr


def test_unknown_check_touches_nothing(stack):
    done = stack.fwb("check", STACK, "redis-memori")
    assert done.returncode == 2
    assert "did you mean redis-memory?" in done.stderr


def test_failing_check_ends_with_one(stack):
    name = ("v1", "ConfigMap", "filewallball-checks")
    right = stack.kube.get(*name, NAMESPACE)["data"]
    changed = {**right, "redis.conf": right["redis.conf"] + "\nmaxmemory 1mb\n"}
    with stack.patched(*name, {"data": changed}, {"data": right}):
        done = stack.fwb("check", STACK, "redis-config", "redis-memory")
    assert done.returncode == 1
    [failed, ok] = done.stdout.splitlines()
    assert failed.startswith("redis-config: FAILED (maxmemory is 67108864, redis.conf says 1mb; ")
    assert ok == "redis-memory: OK"


def test_interrupt_removes_job_and_keys(stack):
    running = subprocess.Popen(
        stack.shared.command("check", STACK, "redis-eviction"), stderr=subprocess.PIPE, text=True
    )
    try:
        wait_until(lambda: len(stack.jobs()) == 1, "the Job")
        running.send_signal(signal.SIGINT)
        _, errors = running.communicate(timeout=PATIENCE)
    finally:
        running.kill()
    assert running.returncode == 130
    assert "Traceback" not in errors
    wait_until(lambda: stack.jobs() == [], "the Job to go")
    label = f"app.kubernetes.io/name={remote.NAME}"
    wait_until(
        lambda: all(
            "deletionTimestamp" not in pod["metadata"]
            and pod["status"]["phase"] not in ("Pending", "Running")
            for pod in stack.kube.list("v1", "Pod", NAMESPACE, label)
        ),
        "its pod to go",
    )
