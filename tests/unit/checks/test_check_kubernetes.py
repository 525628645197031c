"""What checks make of Kubernetes, with a cluster that is a dict."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from fake_cluster import Cluster, container, pod, without_database
from test_checks_config import document

from filewallball import pods
from filewallball.checks import config, podlog, remote
from filewallball.checks.result import CheckFailed, Result
from filewallball.checks.suites import mariadb_persistence
from filewallball.errors import UserError
from filewallball.jobs import following
from filewallball.stack import Place

CONFIG = config.parse(json.dumps(document()))
OK = Result("redis-config", "ok")
PLAN = json.dumps({"plan": ["redis-config", "redis-memory"]})
CLAIM = {"status": {"phase": "Bound", "capacity": {"storage": "5Gi"}}}
VOLUME = {"name": "data", "persistentVolumeClaim": {"claimName": "mariadb-data"}}


def stateful_set(*volumes: Any) -> Any:
    return {"spec": {"template": {"spec": {"volumes": list(volumes)}}}}


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    for module in (following, mariadb_persistence):
        monkeypatch.setattr(module, "POLL_SECONDS", 0)
    monkeypatch.setitem(pods.CERTAIN_AFTER, "ImagePullBackOff", 0.0)
    monkeypatch.setattr(mariadb_persistence, "RESTART_SECONDS", 0.01)


# ---- the pod's log, on the laptop ----

JOB = {"metadata": {"name": "j", "uid": "job-1"}}


def follow(cluster: Cluster) -> list[Result]:
    return list(podlog.PodLog(cluster, "ns", JOB).follow())  # type: ignore[arg-type]


def test_results_are_read_once_though_the_log_is_read_often():
    log = "\n".join([PLAN, OK.as_json(), "noise", Result("redis-memory", "failed", "x").as_json()])
    states = [
        pod(container("running", startedAt="now")),
        pod(container("running", startedAt="now")),
        pod(container("terminated", exitCode=1)),
    ]
    cluster = Cluster({("Pod", "p"): states}, log)
    assert [result.name for result in follow(cluster)] == ["redis-config", "redis-memory"]


def test_checks_that_a_dead_pod_never_got_to_have_failed():
    log = "\n".join([PLAN, OK.as_json(), "Killed"])
    dead = pod(container("terminated", exitCode=137, reason="OOMKilled"))
    ok, missing = follow(Cluster({("Pod", "p"): dead}, log))
    assert ok == OK
    assert missing.status == "failed"
    assert "OOMKilled, exit code 137" in missing.observed
    assert "alone" in missing.hint
    assert "Killed" in missing.hint


def test_pod_that_did_nothing():
    dead = pod(container("terminated", exitCode=2, reason="Error"))
    with pytest.raises(UserError, match=r"without checking anything: Error, exit code 2\nnamespace: missing"):
        follow(Cluster({("Pod", "p"): dead}, "namespace: missing"))


def test_log_that_comes_after_the_end():
    dead = pod(container("terminated", exitCode=2, reason="Error"))
    cluster = Cluster({("Pod", "p"): dead}, "")
    logs = iter(["", "", "namespace: missing"])
    cluster.logs = lambda *_, **__: next(logs)
    with pytest.raises(UserError, match="namespace: missing"):
        follow(cluster)


def test_pod_that_is_deleted_meanwhile():
    cluster = Cluster({("Pod", "p"): [pod(container("running", startedAt="now")), None]})
    with pytest.raises(UserError, match="deleted meanwhile"):
        follow(cluster)


def test_job_that_is_deleted_before_it_has_a_pod():
    with pytest.raises(UserError, match="deleted meanwhile"):
        follow(Cluster())


def test_pod_that_cannot_start():
    waiting = container("waiting", reason="ImagePullBackOff", message="no such image")
    with pytest.raises(UserError) as caught:
        follow(Cluster({("Pod", "p"): pod(waiting)}))
    assert "ImagePullBackOff: no such image" in caught.value.message
    assert "toolkit.image" in caught.value.hint


# ---- the Job, on the laptop ----


def place(cluster: Cluster) -> Place:
    return Place("dev", "filewallball", cluster)  # type: ignore[arg-type]


def test_the_job_is_the_template_with_other_arguments():
    template = {
        "metadata": {"labels": {"a": "b"}},
        "spec": {
            "restartPolicy": "Never",
            "containers": [{"name": "checks", "image": "i", "args": ["--json-lines"]}],
        },
    }
    job = remote.job_manifest(place(Cluster()), template, ["redis-config", "--deep"])
    assert job["metadata"]["name"].startswith("filewallball-checks-run-")
    assert job["spec"]["template"]["spec"] == {
        "restartPolicy": "Never",
        "containers": [{"name": "checks", "image": "i", "args": ["redis-config", "--deep", "--json-lines"]}],
    }
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["ttlSecondsAfterFinished"] > 0
    assert template["spec"]["containers"][0]["args"] == ["--json-lines"]


def test_the_job_of_this_up_is_told_from_older_ones_and_from_those_on_demand():
    now = datetime.now(UTC)

    def job(name: str, age: float) -> Any:
        made = (now - timedelta(seconds=age)).strftime("%Y-%m-%dT%H:%M:%SZ")
        return {"metadata": {"name": name, "creationTimestamp": made}}

    old, mine = job("filewallball-checks-1", 300), job("filewallball-checks-2", 5)
    on_demand = job("filewallball-checks-run-abc", 1)
    since = now - timedelta(seconds=30)
    jobs = {("Job", one["metadata"]["name"]): one for one in (old, mine, on_demand)}
    assert remote._own_job(place(Cluster(jobs)), since) == mine
    del jobs["Job", "filewallball-checks-2"]
    assert remote._own_job(place(Cluster(jobs)), since) is None


def test_stack_without_its_template_is_not_deployed():
    with pytest.raises(UserError) as caught:
        list(remote._on_demand(place(Cluster()), []))
    assert "isn't deployed" in caught.value.message
    assert "fwb up dev" in caught.value.hint


# ---- mariadb-persistence ----


@pytest.mark.parametrize(
    ("claim", "volumes", "seen", "hint"),
    [
        (None, [VOLUME], "no claim mariadb-data", "fwb up"),
        ({"status": {"phase": "Pending"}}, [VOLUME], "is Pending", "describe pvc mariadb-data"),
        ({"status": {"phase": "Lost"}}, [VOLUME], "is Lost", "describe pvc mariadb-data"),
        (CLAIM, [{"name": "data", "emptyDir": {}}], "mounts no claim", "lost with the pod"),
    ],
)
def test_data_that_is_not_on_a_bound_volume(monkeypatch, claim, volumes, seen, hint):
    objects = {
        ("PersistentVolumeClaim", "mariadb-data"): claim,
        ("StatefulSet", "mariadb"): stateful_set(*volumes),
    }
    monkeypatch.setattr(mariadb_persistence.Kube, "connect", lambda: Cluster(objects))
    with pytest.raises(CheckFailed) as caught:
        mariadb_persistence.persistence(CONFIG)
    assert seen in caught.value.observed
    assert hint in caught.value.hint


def test_pod_that_is_left_alone_where_users_are(monkeypatch):
    cluster = Cluster(
        {("PersistentVolumeClaim", "mariadb-data"): CLAIM, ("StatefulSet", "mariadb"): stateful_set(VOLUME)}
    )
    monkeypatch.setattr(mariadb_persistence.Kube, "connect", lambda: cluster)
    assert "left alone" in mariadb_persistence.persistence(replace(CONFIG, disposable=False))
    assert cluster.deleted == []


def test_pod_that_does_not_come_back(monkeypatch):
    ready = pod({"conditions": [{"type": "Ready", "status": "True"}]}, uid="old")
    crashing = pod(container("waiting", reason="CrashLoopBackOff", message="back-off"), uid="new")
    cluster = Cluster(
        {
            ("PersistentVolumeClaim", "mariadb-data"): CLAIM,
            ("StatefulSet", "mariadb"): stateful_set(VOLUME),
            ("Pod", "mariadb-0"): [ready, crashing],
        }
    )
    without_database(monkeypatch, mariadb_persistence)
    monkeypatch.setattr(mariadb_persistence.Kube, "connect", lambda: cluster)
    with pytest.raises(CheckFailed) as caught:
        mariadb_persistence.persistence(CONFIG)
    assert cluster.deleted == ["Pod mariadb-0"]
    assert "wasn't ready again" in caught.value.observed
    assert "CrashLoopBackOff" in caught.value.observed
