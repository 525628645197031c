"""What checks make of Kubernetes, with a cluster that is a dict."""

from __future__ import annotations

import json
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from test_checks_config import document

from filewallball.backup.manifest import Manifest, Position, Table
from filewallball.checks import config, podlog, remote
from filewallball.checks.result import CheckFailed, Result
from filewallball.checks.stack import Place
from filewallball.checks.suites import backup, mariadb_persistence
from filewallball.errors import UserError
from filewallball.kube import KubeError

CONFIG = config.parse(json.dumps(document()))
OK = Result("redis-config", "ok")
PLAN = json.dumps({"plan": ["redis-config", "redis-memory"]})
CLAIM = {"status": {"phase": "Bound", "capacity": {"storage": "5Gi"}}}
VOLUME = {"name": "data", "persistentVolumeClaim": {"claimName": "mariadb-data"}}
CRON = {"spec": {"jobTemplate": {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {"spec": {}}}}}}


def stateful_set(*volumes: Any) -> Any:
    return {"spec": {"template": {"spec": {"volumes": list(volumes)}}}}


def container(kind: str, **detail: Any) -> Any:
    return {"containerStatuses": [{"name": "checks", "state": {kind: detail}}]}


def pod(status: Any, uid: str = "pod-1") -> Any:
    owners = [{"uid": "job-1"}]
    return {"metadata": {"name": "p", "uid": uid, "ownerReferences": owners}, "status": status}


def ended(kind: str, *, ago: float = 0, **detail: str) -> Any:
    when = (datetime.now(UTC) - timedelta(seconds=ago)).isoformat()
    return {"conditions": [{"type": kind, "status": "True", "lastTransitionTime": when, **detail}]}


class Cluster:
    """Objects by kind and name; one that is a list gives its items in turn, the last for ever."""

    context = "test"

    def __init__(self, objects: dict[tuple[str, str], Any] | None = None, log: str = "") -> None:
        self.objects = objects or {}
        self.log = log
        self.deleted: list[str] = []
        self.created: list[dict[str, Any]] = []
        self.taken = 0

    def get(self, _version: str, kind: str, name: str, _namespace: str | None = None) -> Any:
        found = self.objects.get((kind, name))
        if isinstance(found, list):
            found = found.pop(0) if len(found) > 1 else found[0]
        return found

    def list(self, _version: str, kind: str, _namespace: str, _labels: str | None = None) -> Any:
        return [self.get("", *key) for key in self.objects if key[0] == kind]

    def create(self, manifest: dict[str, Any]) -> Any:
        if self.taken:
            self.taken -= 1
            raise KubeError(409, "AlreadyExists", "it is there")
        self.created.append(manifest)
        return {**manifest, "metadata": {**manifest["metadata"], "uid": "job-1"}}

    def delete(self, _version: str, kind: str, name: str, _namespace: str, **_: Any) -> bool:
        self.deleted.append(f"{kind} {name}")
        return True

    def logs(self, *_: Any, **__: Any) -> str:
        return self.log

    def __enter__(self) -> Cluster:
        return self

    def __exit__(self, *_: object) -> None:
        pass


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch):
    for module in (podlog, backup, mariadb_persistence):
        monkeypatch.setattr(module, "POLL_SECONDS", 0)
    monkeypatch.setattr(podlog, "STUCK_SECONDS", 0)
    monkeypatch.setattr(backup, "STUCK_SECONDS", 0)
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
    assert "memory limit" in missing.hint
    assert "Killed" in missing.hint


def test_pod_that_did_nothing():
    dead = pod(container("terminated", exitCode=2, reason="Error"))
    with pytest.raises(UserError, match=r"without checking anything: Error, exit code 2\nnamespace: missing"):
        follow(Cluster({("Pod", "p"): dead}, "namespace: missing"))


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
    with pytest.raises(UserError) as caught, remote._job(place(Cluster()), []):
        pass
    assert "isn't deployed" in caught.value.message
    assert "fwb up dev" in caught.value.hint


# ---- mariadb-persistence ----


@pytest.mark.parametrize(
    ("claim", "volumes", "seen", "hint"),
    [
        (None, [VOLUME], "no claim mariadb-data", "fwb up"),
        ({"status": {"phase": "Pending"}}, [VOLUME], "is Pending", "describe pvc mariadb-data"),
        ({"status": {"phase": "Lost"}}, [VOLUME], "is Lost", "describe pvc mariadb-data"),
        (CLAIM, [{"name": "data", "emptyDir": {}}], "mounts no claim", "dies with the pod"),
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


# ---- backup-run ----


def without_database(monkeypatch, module: Any) -> None:
    @contextmanager
    def nothing(*_: Any, **__: Any) -> Any:
        yield backup.mariadb_session.Tables()

    monkeypatch.setattr(module, "connected", nothing)
    monkeypatch.setattr(module, "query", lambda *_: [(1,)])
    if hasattr(module, "tables"):
        monkeypatch.setattr(module, "tables", nothing)
    monkeypatch.setattr(backup.mariadb_session, "query", lambda *_: [])


@pytest.fixture
def run_backup(monkeypatch):
    """`run_backup(cluster, manifest changes)`: the check with a store that holds that manifest."""
    without_database(monkeypatch, backup)
    monkeypatch.setattr(backup.mariadb_session.Tables, "name", lambda _self, what: f"fwb_check_1_{what}")
    monkeypatch.setattr(backup, "open_store", lambda _config: None)

    def run(cluster: Cluster, **changes: Any) -> str:
        manifest = replace(manifest_of_now(), **changes)
        cluster.objects["CronJob", CONFIG.backup.cronjob] = CRON
        monkeypatch.setattr(backup.Kube, "connect", lambda: cluster)
        monkeypatch.setattr(backup.catalogue, "find", lambda _store, _name: manifest)
        monkeypatch.setattr(backup.catalogue, "check_stored", lambda _store, _manifest: None)
        return backup.run_now(CONFIG)

    return run


def manifest_of_now() -> Manifest:
    tables = {"fwb_check_1_backup": Table(3, 1, "x")}
    now = datetime.now(UTC)
    return Manifest(
        "filewallball_backup_20260101_000000.sql.gz", now, 10, "s", 20, "filewallball_db", "utf8mb4", "c",
        "10.11", Position("f", 1), tables, {}, True, now, 0.5,
    )  # fmt: skip


def job_that(status: Any, log: str = "backup: OK filewallball_backup_20260101_000000.sql.gz") -> Cluster:
    objects = {
        ("Job", backup.JOB): {"metadata": {"uid": "job-1"}, "spec": {}, "status": status},
        ("Pod", "p"): pod(container("terminated", exitCode=0)),
    }
    return Cluster(objects, log)


def test_backup_that_is_made_and_agrees(run_backup):
    cluster = job_that(ended("Complete"))
    assert "restored on trial in 0.5 s, 1 tables and 3 rows agreed" in run_backup(cluster)
    assert cluster.deleted == [f"Job {backup.JOB}"]
    assert cluster.created[0]["spec"]["backoffLimit"] == 0
    assert cluster.created[0]["metadata"]["labels"] == {"a": "b"}


@pytest.mark.parametrize(
    ("changes", "seen", "hint"),
    [
        ({"verified": False}, "was not restored on trial", "fwb up"),
        ({"created": datetime(2026, 1, 1, tzinfo=UTC)}, "before this run", "date -u"),
        ({"tables": {}}, "nothing of table fwb_check_1_backup", "FWB_DB_NAME"),
        ({"tables": {"fwb_check_1_backup": Table(2, 1, "x")}}, "2 rows of table", "FWB_DB_NAME"),
    ],
)
def test_backup_that_proves_nothing(run_backup, changes, seen, hint):
    with pytest.raises(CheckFailed) as caught:
        run_backup(job_that(ended("Complete")), **changes)
    assert seen in caught.value.observed
    assert hint in caught.value.hint


def test_backup_job_that_fails_tells_its_step_and_log(run_backup):
    cluster = job_that(
        ended("Failed", reason="BackoffLimitExceeded"), "one\nbackup: FAILED dump: disk full\n  free"
    )
    with pytest.raises(CheckFailed) as caught:
        run_backup(cluster)
    assert caught.value.observed == "the backup failed: dump: disk full"
    assert caught.value.hint == "its log ends with: one | backup: FAILED dump: disk full |   free"
    assert cluster.deleted == [f"Job {backup.JOB}"]


def test_backup_job_that_runs_something_else(run_backup):
    with pytest.raises(CheckFailed, match="without naming a backup"):
        run_backup(job_that(ended("Complete"), "hello"))


def test_backup_pod_that_cannot_start(run_backup):
    cluster = job_that({})
    cluster.objects["Pod", "p"] = pod(container("waiting", reason="ErrImagePull", message="no such image"))
    with pytest.raises(CheckFailed) as caught:
        run_backup(cluster)
    assert "ErrImagePull: no such image" in caught.value.observed
    assert "describe cronjob" in caught.value.hint
    assert cluster.deleted == [f"Job {backup.JOB}"]


@pytest.mark.parametrize(("ago", "removed"), [(60, True), (1, False)])
def test_job_of_another_run_is_left_to_it_until_it_is_stale(run_backup, ago, removed):
    cluster = job_that(ended("Complete", ago=ago))
    cluster.taken = 1
    run_backup(cluster)
    assert cluster.deleted.count(f"Job {backup.JOB}") == (2 if removed else 1)
