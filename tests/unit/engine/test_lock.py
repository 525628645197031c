"""The lock: renewed through faults, lost when it is another's, and then left to that other."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any, cast

import pytest
from fake_kube import FakeKube

from filewallball.engine.ownership import lock as module
from filewallball.engine.ownership.lock import CONTROL_NAMESPACE, LEASE, SECONDS, Lock, Locked
from filewallball.kube import Kube, KubeError, Unreachable

NAME = "fwb-shop-dev"


def lease(kube: FakeKube) -> dict[str, Any] | None:
    return kube.get(LEASE, "Lease", NAME, CONTROL_NAMESPACE)


def taken(kube: FakeKube) -> tuple[Lock, list[str]]:
    lost: list[str] = []
    lock = Lock(cast("Kube", kube), NAME, lost.append)
    lock.acquire()
    return lock, lost


def seize(kube: FakeKube) -> None:
    """What another run does with an expired Lease: a PUT, which keeps the uid."""
    found = lease(kube)
    assert found
    found["spec"]["holderIdentity"] = "kim@laptop, process 7"
    kube.replace(found)


@pytest.fixture(name="clock")
def _clock(monkeypatch: pytest.MonkeyPatch) -> list[float]:
    now = [1000.0]
    monkeypatch.setattr(module, "time", SimpleNamespace(monotonic=lambda: now[0]))
    # the thread is not to renew while a test does
    monkeypatch.setattr(module, "RENEW_EVERY", 3600.0)
    return now


@pytest.mark.usefixtures("clock")
class TestLock:
    def test_it_is_given_back(self) -> None:
        kube = FakeKube()
        lock, lost = taken(kube)
        with pytest.raises(Locked):
            taken(kube)
        assert lock.renew()
        lock.release()
        assert lease(kube) is None
        assert lost == []

    def test_two_holders_of_one_process_are_told_apart(self) -> None:
        one, other = FakeKube(), FakeKube()
        locks = taken(one)[0], taken(other)[0]
        mine, theirs = lease(one), lease(other)
        for each in locks:
            each.release()
        assert mine
        assert theirs
        assert mine["spec"]["holderIdentity"] != theirs["spec"]["holderIdentity"]

    @pytest.mark.parametrize("noticed", [True, False])
    def test_a_former_holder_leaves_the_new_holders_lock_alone(self, noticed: bool) -> None:
        kube = FakeKube()
        lock, lost = taken(kube)
        seize(kube)
        if noticed:
            assert not lock.renew()
            assert "taken by another run" in lost[0]
        lock.release()
        found = lease(kube)
        assert found
        assert found["spec"]["holderIdentity"] == "kim@laptop, process 7"

    def test_a_take_over_between_the_look_and_the_deletion_is_noticed(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        kube = FakeKube()
        lock, _ = taken(kube)
        before = copy.deepcopy(lease(kube))
        seize(kube)
        answers = [before]
        get = kube.get
        monkeypatch.setattr(kube, "get", lambda *args: answers.pop() if answers else get(*args))
        lock.release()
        assert lease(kube), "the guard by resourceVersion must have held"

    def test_a_renewal_whose_answer_was_lost_counts(self) -> None:
        kube = FakeKube()
        lock, lost = taken(kube)
        kube.after_write = [Unreachable(kube.server, kube.context, "gone")]
        assert lock.renew()
        assert lock.renew(), "the Lease has moved on by our own hand"
        assert lost == []
        lock.release()
        assert lease(kube) is None

    def test_a_lock_that_was_deleted_is_lost(self) -> None:
        kube = FakeKube()
        lock, lost = taken(kube)
        kube.delete(LEASE, "Lease", NAME, CONTROL_NAMESPACE)
        assert not lock.renew()
        assert "deleted" in lost[0]
        lock.release()


@pytest.mark.parametrize(
    "error",
    [
        KubeError(500, "InternalError", "etcdserver: leader changed"),
        KubeError(504, "Timeout", "too slow"),
        Unreachable("https://server:6443", "shop", "refused"),
    ],
)
def test_faults_are_borne_for_as_long_as_the_lock_holds(error: Exception, clock: list[float]) -> None:
    kube = FakeKube()
    lock, lost = taken(kube)
    clock[0] += SECONDS - 1
    kube.errors = [error]
    assert lock.renew()
    assert lock.renew(), "it works again"
    clock[0] += SECONDS - 1
    kube.errors = [error, error]
    assert lock.renew(), "counted from the last success"
    clock[0] += 2
    assert not lock.renew()
    assert len(lost) == 1
    assert f"could not be renewed for {SECONDS} s" in lost[0]
    lock.release()
    assert lease(kube), "a lost lock is nobody's to delete"
