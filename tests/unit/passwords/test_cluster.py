"""What a change does in the cluster, and in which order."""

from __future__ import annotations

from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any, cast

import pytest
from fake_world import START, secret

from filewallball.errors import UserError
from filewallball.kube import Kube, KubeError
from filewallball.passwords import cluster
from filewallball.passwords.cluster import Cluster
from filewallball.passwords.proof.logins import Login
from filewallball.passwords.servers import SERVERS
from filewallball.stack import Place

REDIS = SERVERS["redis"]
LOGIN = Login("redis", "redis", "redis", 6379, "app", ("only-for-the-proof",))
FILES = {"volumes": [{"secret": {"secretName": "redis-credentials"}}], "containers": [{}]}
ENVIRONMENT = {"containers": [{"envFrom": [{"secretRef": {"name": "redis-credentials"}}]}]}


def pod(
    name: str, spec: dict[str, Any], *, minutes: int, owner: str = "ReplicaSet", phase: str = "Running"
) -> Any:
    """A pod that started so many minutes after START."""
    started = (START + timedelta(minutes=minutes)).isoformat().replace("+00:00", "Z")
    return {
        "metadata": {"name": name, "ownerReferences": [{"kind": owner}]},
        "spec": spec,
        "status": {"phase": phase, "startTime": started},
    }


class FakeKube:
    """Remembers what was asked of it. `refused`: the kinds that may not be patched, with a status."""

    context = "test"

    def __init__(self, *pods: Any) -> None:
        self.secret = secret(REDIS)
        self.pods = list(pods)
        self.asked: list[tuple[str, str, Any]] = []
        self.refused: dict[str, int] = {}

    def get(self, _api: str, kind: str, name: str, _namespace: str) -> Any:
        container = {"image": "toolkit", "imagePullPolicy": "Never"}
        found = {
            "Secret": deepcopy(self.secret),
            "PodTemplate": {"template": {"spec": {"containers": [container]}}},
        }
        return found.get(kind)

    def list(self, *_: str) -> Any:
        return self.pods

    def create(self, manifest: Any) -> Any:
        self.asked.append(("create", manifest["kind"], manifest))
        return {**manifest, "metadata": {**manifest["metadata"], "uid": "uid-of-it"}}

    def delete(self, _api: str, kind: str, *_: str) -> None:
        self.asked.append(("delete", kind, None))

    def patch(self, _api: str, kind: str, name: str, _namespace: str, patch: Any) -> Any:
        self.asked.append(("patch", f"{kind} {name}", patch))
        if status := self.refused.get(kind):
            raise KubeError(status, "Conflict", "no")
        if kind == "Secret":
            changed = patch["data"]
            self.secret["data"] |= {key: value for key, value in changed.items() if value}
            self.secret["metadata"]["resourceVersion"] = "2"
            return deepcopy(self.secret)
        return {}


def made(kube: FakeKube) -> Cluster:
    place = Place("dev", "ns", cast("Kube", kube))
    return Cluster(place, "lock", lambda _: None, lambda *_: None)


@pytest.fixture
def ended(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """How the pod of the proof ends: its lines and its exit code."""
    how: dict[str, Any] = {"lines": [], "exitCode": 0}

    class Pod:
        def __init__(self, *_: object) -> None:
            self.end = {"exitCode": how["exitCode"]}

        def lines(self) -> list[str]:
            return how["lines"]

        def blame(self) -> str:
            return ""

    monkeypatch.setattr(cluster, "JobPod", Pod)
    return how


def test_the_logins_go_with_their_job(ended: dict[str, Any]) -> None:
    """The Job waits for its file; the file belongs to the Job, so that none is left wherever this ends."""
    kube = FakeKube()
    made(kube).prove([LOGIN])
    kinds = [(what, kind.split()[0]) for what, kind, _ in kube.asked]
    assert kinds == [("create", "Job"), ("create", "Secret"), ("patch", "Job"), ("delete", "Job")]
    job, file, begun, _ = [content for *_, content in kube.asked]
    assert job["spec"]["suspend"] is True
    assert begun == {"spec": {"suspend": False}}
    assert file["metadata"]["ownerReferences"][0]["uid"] == "uid-of-it"
    assert "only-for-the-proof" in file["stringData"]["logins.json"]
    assert "only-for-the-proof" not in str(job)


def test_faults_are_told(ended: dict[str, Any]) -> None:
    ended.update(lines=["waiting for 1", "FAILED redis: user app is refused"], exitCode=1)
    with pytest.raises(UserError, match="redis: user app is refused"):
        made(FakeKube()).prove([LOGIN])


def test_nothing_to_prove_needs_no_job() -> None:
    kube = FakeKube()
    made(kube).prove([])
    assert kube.asked == []


def test_what_was_written_brings_the_kubelets_to_their_pods() -> None:
    kube = FakeKube(
        pod("a", FILES, minutes=0),
        pod("b", ENVIRONMENT, minutes=0),
        pod("c", {"containers": [{}]}, minutes=0),
    )
    here = made(kube)
    before = here.read(REDIS)
    after = here.write(REDIS, before, before.added(START))
    assert (after.phase, after.since, after.version) == ("added", START, "2")
    assert [kind for what, kind, _ in kube.asked if what == "patch"] == ["Secret redis-credentials", "Pod a"]


def test_who_may_not_change_pods_waits_for_longer() -> None:
    kube = FakeKube(pod("a", FILES, minutes=0))
    kube.refused = {"Pod": 403}
    here = made(kube)
    before = here.read(REDIS)
    assert here.write(REDIS, before, before.added(START)).phase == "added"


def test_a_secret_that_somebody_else_has_changed_is_left_alone() -> None:
    kube = FakeKube()
    here = made(kube)
    before = here.read(REDIS)
    kube.refused = {"Secret": 409}
    with pytest.raises(UserError, match="changed by somebody else"):
        here.write(REDIS, before, before.added(START))


def test_an_answer_that_was_lost_is_no_conflict() -> None:
    kube = FakeKube()
    here = made(kube)
    before = here.read(REDIS)
    after = before.added(START)
    here.write(REDIS, before, after)
    kube.refused = {"Secret": 409}
    assert here.write(REDIS, before, after).phase == "added"


def test_jobs_that_have_the_passwords_of_before_are_waited_for() -> None:
    kube = FakeKube(
        pod("backup", FILES, minutes=-60, owner="Job"),
        pod("ended", FILES, minutes=-60, owner="Job", phase="Succeeded"),
        pod("at-that-moment", FILES, minutes=1, owner="Job"),
        pod("later", FILES, minutes=5, owner="Job"),
        pod("another", {"containers": [{}]}, minutes=-60, owner="Job"),
        pod("redis", FILES, minutes=-60),
        pod("web", ENVIRONMENT, minutes=-60),
        pod("web-new", ENVIRONMENT, minutes=1),
    )
    here = made(kube)
    assert here.late([REDIS], START) == ["backup", "at-that-moment"]
    assert here.set_in_environment([REDIS], START) == ["web"]


def test_a_stack_that_is_not_there(monkeypatch: pytest.MonkeyPatch) -> None:
    kube = FakeKube()
    monkeypatch.setattr(kube, "get", lambda *_: None)
    with pytest.raises(UserError, match="no Secret redis-credentials") as caught:
        made(kube).read(REDIS)
    assert "fwb up dev" in caught.value.hint


def test_times_are_those_of_this_machine() -> None:
    assert abs(made(FakeKube()).now() - datetime.now(UTC)) < timedelta(minutes=1)
