"""Rollouts that fail, in the pod's own words, and the next `up` that mends them."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from cluster_objects import wait_until
from lab import Entry, Lab, actions

from filewallball import pods
from filewallball.engine.program.resources import DEFAULT_TIMEOUT
from filewallball.engine.waiting import watch

FOREVER = "exec busybox sleep 3600"
UNREADY: dict[str, Any] = {
    "readinessProbe": {
        "exec": {"command": ["sh", "-c", "echo not today; exit 1"]},
        "periodSeconds": 1,
        "timeoutSeconds": 20,
    }
}


@pytest.fixture(autouse=True)
def _soon_certain(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing here heals by itself, so nothing has to last for long to be certain."""
    monkeypatch.setattr(pods, "CERTAIN_AFTER", dict.fromkeys(pods.CERTAIN_AFTER, 2.0))
    monkeypatch.setattr(watch, "STUCK_AFTER", 1.0)


def unready(lab: Lab, timeout: str) -> Entry:
    return lab.workload(
        "Deployment", "probe", FOREVER, container=UNREADY, timeouts={"create": timeout, "update": timeout}
    )


def probe_has_failed(lab: Lab) -> bool:
    return any(
        "not today" in event.get("message", "") for event in lab.kube.list("v1", "Event", lab.namespace)
    )


def test_every_broken_rollout_is_reported_and_the_healthy_are_left_alone(lab: Lab) -> None:
    secret = {
        "object": {**lab.meta("Secret", "s"), "stringData": {"password": "tell-nobody-77"}},
        "secret": ["stringData"],
    }
    # Its pod is there before its time begins to count, however long that takes here. The time must be up
    # before the run ends, which is GRACE after the first failure.
    assert lab.try_up(unready(lab, "1s")).exit_code == 1
    wait_until(lambda: probe_has_failed(lab), "a probe to fail")
    healthy = lab.workload("Deployment", "healthy", FOREVER)
    broken = [
        lab.workload("Deployment", "image", FOREVER, container={"image": "docker.io/library/no-such:1"}),
        # never ready: a container without a probe is, for the moment that it lives
        lab.workload(
            "Deployment",
            "crash",
            "echo the password is tell-nobody-77; echo dying words >&2; exit 3",
            container={"readinessProbe": {"exec": {"command": ["false"]}}},
        ),
        lab.workload("Deployment", "nowhere", FOREVER, pod={"nodeSelector": {"planet": "mars"}}),
        unready(lab, "8s"),
        lab.workload(
            "Deployment", "config", FOREVER, container={"envFrom": [{"secretRef": {"name": "absent"}}]}
        ),
        lab.workload(
            "Deployment",
            "mount",
            FOREVER,
            container={"volumeMounts": [{"name": "files", "mountPath": "/files"}]},
            pod={"volumes": [{"name": "files", "secret": {"secretName": "gone"}}]},
        ),
    ]
    began = time.monotonic()
    result = lab.try_up(secret, healthy, *broken)
    assert result.exit_code == 1
    assert time.monotonic() - began < DEFAULT_TIMEOUT / 3, "none is waited for until its time is up"
    told = {failure.split(":")[0].rpartition("/")[2]: failure for failure in result.failures}
    assert set(told) == {"image", "crash", "nowhere", "probe", "config", "mount"}, lab.said
    assert "ImagePullBackOff" in told["image"] or "ErrImagePull" in told["image"]
    assert "no-such:1" in told["image"]
    assert re.search(r"CrashLoopBackOff: exit code 3, restarted \d+ times", told["crash"])
    assert "| dying words" in told["crash"]
    assert "Unschedulable" in told["nowhere"]
    assert "not ready after 8 s" in told["probe"]
    assert "not today" in told["probe"]
    assert "CreateContainerConfigError" in told["config"]
    assert 'secret "absent" not found' in told["config"]
    assert re.search(r'FailedMount: .*secret "gone" not found', told["mount"])
    assert "tell-nobody-77" not in lab.said
    assert "| the password is [secret]" in lab.said
    assert actions(result)["Deployment healthy"] == "create"
    uid = lab.uid("Deployment", "healthy")

    mended = [lab.workload("Deployment", name, FOREVER) for name in told]
    fixed = lab.up(secret, healthy, *mended)
    assert actions(fixed)["Deployment crash"] == "update"
    assert lab.uid("Deployment", "healthy") == uid


def test_a_job_that_fails_fails_up_with_its_log_and_is_replaced_by_the_next(lab: Lab) -> None:
    result = lab.try_up(lab.job("check", "echo step one; echo step two: no such table; exit 1"))
    assert result.exit_code == 1
    [failure] = result.failures
    assert failure.startswith(f"Job {lab.namespace}/check: BackoffLimitExceeded")
    assert "| step two: no such table" in failure
    uid = lab.uid("Job", "check")
    same_again = lab.try_up()
    assert same_again.exit_code == 1, "a job that has failed isn't done because it was there before"
    assert lab.uid("Job", "check") != uid
    fixed = lab.up(lab.job("check", "echo fine"))
    assert actions(fixed)["Job check"] == "replace"
    assert actions(lab.up()) == {f"Namespace {lab.namespace}": "same", "Job check": "same"}


def test_what_depends_on_a_failure_is_not_reached_and_nothing_is_removed(lab: Lab) -> None:
    lab.up(lab.config_map("old"))
    result = lab.try_up(lab.job("first", "exit 1"), lab.config_map("after", dependsOn=["first"]))
    assert [step.resource.name for step in result.steps if step.action == "skipped"] == ["after"]
    assert lab.get("ConfigMap", "after") is None
    assert lab.get("ConfigMap", "old") is not None, "removal waits for a run that succeeds"


def test_a_stateful_set_gets_out_of_a_broken_revision(lab: Lab) -> None:
    """Kubernetes alone would wait for the broken pod for ever."""
    spec = {"serviceName": "db"}
    broken = lab.workload(
        "StatefulSet", "db", FOREVER, spec=dict(spec), container=UNREADY, timeouts={"create": "1s"}
    )
    assert lab.try_up(broken).exit_code == 1
    wait_until(lambda: probe_has_failed(lab), "a probe to fail")
    fixed = lab.up(lab.workload("StatefulSet", "db", FOREVER, spec=dict(spec)))
    assert actions(fixed)["StatefulSet db"] == "update"
    assert "removing pod db-0" in lab.said


def test_pods_that_are_refused_are_reported(lab: Lab) -> None:
    lab.declare(
        lab.workload("Deployment", "web", FOREVER, container={"securityContext": {"privileged": True}})
    )
    lab.entries[0]["object"]["metadata"]["labels"] = {"pod-security.kubernetes.io/enforce": "restricted"}
    lab.write()
    result = lab.try_up()
    assert "violates PodSecurity" in "".join(result.failures)


def test_skip_await(lab: Lab) -> None:
    web = lab.workload("Deployment", "web", FOREVER, pod={"nodeSelector": {"planet": "mars"}})
    web["object"]["metadata"]["annotations"] = {"pulumi.com/skipAwait": "true"}
    lab.up(web)


def test_a_claim_that_waits_for_its_first_pod_is_not_waited_for(lab: Lab) -> None:
    spec = {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "1Mi"}}}
    lab.up({"object": {**lab.meta("PersistentVolumeClaim", "data"), "spec": spec}})
    found = lab.get("PersistentVolumeClaim", "data")
    assert found
    assert found["status"]["phase"] == "Pending"
