"""The command on the laptop against a cluster that says what a test wants it to say."""

from __future__ import annotations

import copy
from typing import Any

import pytest
from typer.testing import CliRunner

from facts.backup import CRON_JOB
from filewallball import pods
from filewallball.backup import remote
from filewallball.cli import app
from filewallball.errors import ConfigError, UserError
from filewallball.jobs import following, manifests
from filewallball.stack import Place

CRONJOB: dict[str, Any] = {
    "metadata": {"name": CRON_JOB, "namespace": "files", "uid": "u-1"},
    "spec": {
        "jobTemplate": {
            "metadata": {"labels": {"app.kubernetes.io/name": "filewallball-backup"}},
            "spec": {
                "backoffLimit": 1,
                "activeDeadlineSeconds": 7200,
                "template": {
                    "metadata": {"labels": {"filewallball.io/access-store": "true"}},
                    "spec": {"containers": [{"name": "backup", "image": "i", "command": ["python3", "run"]}]},
                },
            },
        }
    },
}


def pod(**state: Any) -> dict[str, Any]:
    statuses = [{"name": "backup", "state": state}] if state else []
    return {
        "metadata": {"name": "p", "uid": "p-1"},
        "spec": {},
        "status": {"phase": "Pending", "containerStatuses": statuses},
    }


class Cluster:
    """Steps through `states`, one for each look at the pod; the log grows by a line each time it is read."""

    context = "test"

    def __init__(self, states: list[dict[str, Any]], log: list[str]) -> None:
        self.states, self.log, self.read = states, log, 0
        self.cronjob: dict[str, Any] | None = copy.deepcopy(CRONJOB)
        self.created: list[dict[str, Any]] = []
        self.deleted: list[str] = []

    def get(self, _version: str, kind: str, _name: str, _namespace: str) -> dict[str, Any] | None:
        return self.cronjob if kind == "CronJob" else self._look()

    def list(self, *_: object) -> list[dict[str, Any]]:
        return [self._look()]

    def _look(self) -> dict[str, Any]:
        return self.states.pop(0) if len(self.states) > 1 else self.states[0]

    def create(self, manifest: dict[str, Any]) -> dict[str, Any]:
        self.created.append(manifest)
        return {**manifest, "metadata": {**manifest["metadata"], "uid": "j-1"}}

    def delete(self, _version: str, _kind: str, name: str, _namespace: str) -> None:
        self.deleted.append(name)

    def logs(self, *_: object, **__: object) -> str:
        self.read += 1
        ended = len(self.states) == 1
        return "".join(f"{line}\n" for line in (self.log if ended else self.log[: self.read]))


@pytest.fixture(autouse=True)
def _no_waiting(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "POLL_SECONDS", 0)


def run(cluster: Any, command: str = "run") -> tuple[int, list[str]]:
    lines: list[str] = []
    return remote.run(Place("dev", "files", cluster), command, lines.append), lines


def ended(code: int, **more: Any) -> dict[str, Any]:
    return pod(terminated={"exitCode": code, **more})


@pytest.mark.parametrize("code", [0, 1, 2])
def test_every_line_comes_once_and_the_exit_code_is_the_pods(code: int) -> None:
    log = ["preflight: …", "dump: …", f"backup: ended with {code}"]
    cluster = Cluster(
        [
            pod(),
            pod(running={"startedAt": "2026"}),
            pod(running={"startedAt": "2026"}),
            pod(running={"startedAt": "2026"}),
            ended(code),
        ],
        log,
    )
    assert run(cluster) == (code, log)
    assert cluster.deleted == []


def test_the_job_is_the_cronjobs_but_for_its_command() -> None:
    cluster = Cluster([ended(0)], [])
    run(cluster)
    [job] = cluster.created
    assert job["metadata"]["namespace"] == "files"
    assert job["metadata"]["ownerReferences"][0]["uid"] == "u-1"
    assert job["spec"]["backoffLimit"] == 0
    assert job["spec"]["activeDeadlineSeconds"] == 7200
    template = CRONJOB["spec"]["jobTemplate"]["spec"]["template"]
    assert job["spec"]["template"]["metadata"] == template["metadata"]
    [container] = job["spec"]["template"]["spec"]["containers"]
    assert container["command"][-2:] == ["filewallball.backup", "run"]
    assert cluster.cronjob == CRONJOB


def test_a_list_is_not_counted_as_a_backup() -> None:
    cluster = Cluster([ended(0)], ["none"])
    assert run(cluster, "list") == (0, ["none"])
    [job] = cluster.created
    assert "ownerReferences" not in job["metadata"]
    assert job["spec"]["template"]["spec"]["containers"][0]["command"][-1] == "list"


def test_an_empty_database_is_asked_for_in_the_jobs_command(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster([ended(0)], [])
    monkeypatch.setattr(remote.stack, "find", lambda *_: Place("dev", "files", cluster))  # type: ignore[arg-type]
    done = CliRunner().invoke(app, ["backup", "now", "dev", "--allow-empty"])
    assert done.exit_code == 0
    [container] = cluster.created[0]["spec"]["template"]["spec"]["containers"]
    assert container["command"][-3:] == ["filewallball.backup", "run", "--allow-empty"]
    # It counts as the nightly one: none is started beside it.
    assert cluster.created[0]["metadata"]["ownerReferences"][0]["uid"] == "u-1"


def test_a_rate_is_the_jobs_as_well(monkeypatch: pytest.MonkeyPatch) -> None:
    cluster = Cluster([ended(0)], [])
    monkeypatch.setattr(remote.stack, "find", lambda *_: Place("dev", "files", cluster))  # type: ignore[arg-type]
    done = CliRunner().invoke(app, ["backup", "now", "dev", "--rate", "1.5Mi"])
    assert done.exit_code == 0
    [container] = cluster.created[0]["spec"]["template"]["spec"]["containers"]
    assert container["command"][-4:] == ["filewallball.backup", "run", "--rate", "1.5Mi"]


def test_a_rate_that_is_none_is_refused_before_anything_starts() -> None:
    done = CliRunner().invoke(app, ["backup", "now", "dev", "--rate", "fast"])
    assert isinstance(done.exception, ConfigError)
    assert "--rate fast is not a size" in done.exception.message


def test_a_stack_without_the_cronjob() -> None:
    cluster = Cluster([pod()], [])
    cluster.cronjob = None
    with pytest.raises(UserError, match="no CronJob"):
        run(cluster)
    assert cluster.created == []


def test_a_pod_that_cannot_start_is_reported_and_its_job_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(pods.CERTAIN_AFTER, "ErrImagePull", 0.0)
    cluster = Cluster([pod(waiting={"reason": "ErrImagePull", "message": "no such image"})], [])
    with pytest.raises(UserError, match="ErrImagePull: no such image"):
        run(cluster)
    assert cluster.deleted == [cluster.created[0]["metadata"]["name"]]


def test_a_pod_that_never_comes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(following, "START_SECONDS", 0)
    with pytest.raises(UserError, match="did not start"):
        run(Cluster([pod()], []))


def test_interrupted_it_deletes_the_job() -> None:
    cluster = Cluster([pod(running={"startedAt": "2026"})], [])

    def interrupt(*_: object, **__: object) -> str:
        raise KeyboardInterrupt

    cluster.logs = interrupt  # type: ignore[method-assign]
    with pytest.raises(KeyboardInterrupt):
        run(cluster)
    assert len(cluster.deleted) == 1


def test_too_little_memory_is_said() -> None:
    code, lines = run(Cluster([ended(137, reason="OOMKilled")], ["restore: …"]))
    assert code == 137
    assert "out of memory" in lines[-1]


def failed_job(name: str, **condition: str) -> dict[str, Any]:
    ended = {"type": "Failed", "status": "True", "lastTransitionTime": "2026-03-01T02:09:00Z", **condition}
    return {"metadata": {"name": name}, "status": {"conditions": [ended]}}


def test_jobs_that_failed_without_a_record_are_listed_with_the_command_that_helps() -> None:
    class Kube:
        context = "test"

        def list(self, *asked: object) -> list[dict[str, Any]]:
            assert asked == ("batch/v1", "Job", "files", "app.kubernetes.io/name=filewallball-backup")
            done = {
                "metadata": {"name": "j-3"},
                "status": {"conditions": [{"type": "Complete", "status": "True"}]},
            }
            killed = failed_job(
                "j-1", reason="DeadlineExceeded", message="Job was active longer than allowed"
            )
            return [
                killed,
                failed_job("j-2", reason="BackoffLimitExceeded"),
                done,
                {"metadata": {"name": "j-4"}},
            ]

    place = Place("dev", "files", Kube())  # type: ignore[arg-type]
    lines = remote.failed_jobs(place, ["2026-03-01 02:00:00 UTC  FAILED upload: … (pod j-2-x7k2p)"])
    assert lines == [
        "Failed Jobs that left no record in the store:",
        "2026-03-01T02:09:00Z  FAILED Job j-1: Job was active longer than allowed",
        "  Look at `kubectl -n files logs job/j-1`. Correct what it names, then run `fwb backup now dev`.",
    ]


def test_a_private_key_goes_into_a_secret_that_the_job_owns() -> None:
    job = {"metadata": {"name": "j-1", "namespace": "files", "uid": "u-1"}}
    secret = manifests.secret_of(job, "identity", b"AGE")
    [owner] = secret["metadata"]["ownerReferences"]
    assert (owner["kind"], owner["uid"]) == ("Job", "u-1")
    assert secret["data"] == {"identity": "QUdF"}
    template = CRONJOB["spec"]["jobTemplate"]["spec"]["template"]
    made = manifests.with_secret(template, "j-1", "/etc/given", "identity", "FWB_FILE")["spec"]
    [container] = made["containers"]
    assert container["env"] == [{"name": "FWB_FILE", "value": "/etc/given/identity"}]
    [mount] = container["volumeMounts"]
    [volume] = made["volumes"]
    assert (mount["name"], volume["secret"]["secretName"]) == (volume["name"], "j-1")
    assert "volumes" not in template["spec"], "the stack's own template is as it was"


def test_a_file_without_a_private_key_starts_no_job(tmp_path: Any) -> None:
    path = tmp_path / "key.pub"
    path.write_text("age1foo")
    found = CliRunner().invoke(app, ["backup", "verify", "dev", "--identity", str(path)])
    assert isinstance(found.exception, ConfigError)
    assert "holds a public key" in found.exception.message
