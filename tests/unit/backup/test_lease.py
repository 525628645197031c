"""The Lease that keeps two jobs apart, in a cluster that is a dict with versions."""

from __future__ import annotations

import threading
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from odd_store import Odd, odd_store

from filewallball.backup import lease
from filewallball.backup.lease import Lease
from filewallball.backup.settings import StoreSettings
from filewallball.backup.store import AlreadyThere, Store, StoreError
from filewallball.kube import KubeError


class Cluster:
    """One Lease, or none; updates and deletions of a stale version are refused."""

    def __init__(self) -> None:
        self.lease: dict[str, Any] | None = None
        self.version = 0
        self.guard = threading.Lock()
        self.waited = threading.Event()

    def get(self, *_: object) -> dict[str, Any] | None:
        with self.guard:
            if self.lease:
                self.waited.set()
            return self.lease

    def create(self, manifest: dict[str, Any]) -> None:
        with self.guard:
            if self.lease:
                raise KubeError(409, "AlreadyExists", "it is there")
            self._keep(manifest)

    def replace(self, manifest: dict[str, Any]) -> None:
        with self.guard:
            if not self.lease or manifest["metadata"]["resourceVersion"] != str(self.version):
                raise KubeError(409, "Conflict", "stale")
            self._keep(manifest)

    def delete(self, *_: object, resource_version: str, **__: object) -> bool:
        with self.guard:
            if resource_version != str(self.version):
                return False
            self.lease = None
            return True

    def close(self) -> None:
        pass

    def _keep(self, manifest: dict[str, Any]) -> None:
        self.version += 1
        self.lease = {**manifest, "metadata": {"uid": "u", "resourceVersion": str(self.version)}}


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Cluster:
    found = Cluster()
    (tmp_path / "namespace").write_text("files\n")
    monkeypatch.setattr(lease, "ACCOUNT", tmp_path)
    monkeypatch.setattr(lease, "POLL_SECONDS", 0.01)
    monkeypatch.setattr(lease.Kube, "connect", lambda: found)
    return found


def test_it_is_held_by_one_and_given_back(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    with Lease.in_cluster("l"):
        assert cluster.lease is not None
        monkeypatch.setattr(lease, "WAIT_SECONDS", 0)
        with pytest.raises(StoreError, match="has held the Lease l"), Lease.in_cluster("l"):
            pass
    assert cluster.lease is None


def test_that_of_a_dead_job_is_taken_over(cluster: Cluster) -> None:
    gone = (datetime.now(UTC) - timedelta(seconds=lease.SECONDS + 1)).isoformat()
    cluster.create({"metadata": {}, "spec": {"holderIdentity": "dead", "renewTime": gone}})
    with Lease.in_cluster("l"):
        assert cluster.lease is not None
        assert cluster.lease["spec"]["holderIdentity"] != "dead"


def test_it_is_renewed_while_it_is_held(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease, "RENEW_SECONDS", 0.01)
    with Lease.in_cluster("l"):
        before = cluster.version
        deadline = threading.Event()
        while cluster.version < before + 3:
            deadline.wait(0.01)


def test_two_jobs_write_one_name_one_after_the_other(cluster: Cluster) -> None:
    """Without the Lease both would look, find nothing, and write."""
    with odd_store(Odd(condition="ignored")) as odd:

        def store(said: list[str]) -> Store:
            made = Store(StoreSettings("bucket", "p/", odd.endpoint, "us-east-1", "k", "s", lease="l"))
            made.learn(said.append)
            return made

        said: list[str] = []
        first, second = store(said), store([])
        assert any("the Lease l keeps the other jobs of this stack away" in line for line in said)
        failed: list[Exception] = []

        def write() -> None:
            try:
                second.put(b"second", "name")
            except AlreadyThere as error:
                failed.append(error)

        other = threading.Thread(target=write)
        look = first.exists

        def meanwhile(key: str) -> bool:
            found = look(key)
            cluster.waited.clear()
            other.start()
            # It has seen the Lease, and waits.
            assert cluster.waited.wait(10)
            return found

        first.exists = meanwhile  # type: ignore[method-assign]
        first.put(b"first", "name")
        other.join()
        assert odd.objects == {"p/name": b"first"}
        assert len(failed) == 1


def test_a_role_that_is_missing_is_told(cluster: Cluster, monkeypatch: pytest.MonkeyPatch) -> None:
    def denied(*_: object) -> None:
        raise KubeError(403, "Forbidden", "no right")

    monkeypatch.setattr(cluster, "get", denied)
    with pytest.raises(StoreError, match="no right") as caught, Lease.in_cluster("l"):
        pass
    assert "fwb up" in caught.value.hint
