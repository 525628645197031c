"""Who is asked for a snapshot, and when nobody is: the set, as its Sentinels tell of it."""

from __future__ import annotations

from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest

from filewallball.errors import UserError
from filewallball.snapshots import job, transfer
from filewallball.snapshots.job import Taking
from filewallball.snapshots.sessions import Server, SessionSet
from filewallball.snapshots.settings import Address, SetSettings
from filewallball.snapshots.transfer import TransferError, Transferred

A, B, C = (Address(f"10.0.0.{number}", 6379) for number in (1, 2, 3))
SENTINELS = tuple(Address(f"10.0.1.{number}", 26379) for number in range(5))


def server(address: Address, role: str = "slave", **changes: Any) -> Server:
    plain = Server(address, role, role == "slave", 100, 2, 5, {0: 5}, 900, 1000, 10_000, 0, "8.1.4")
    return replace(plain, **changes)


class FakeSet(SessionSet):
    """Answers in place of servers. `says`: one answer per Sentinel."""

    def __init__(self, says: list[Address | None], *servers: Server) -> None:
        super().__init__(SetSettings(SENTINELS, "m", "p", "q"))
        self.says = dict(zip(SENTINELS, says, strict=True))
        self.servers = {one.address: one for one in servers}

    def _ask(self, sentinel: Address) -> Address | None:
        return self.says[sentinel]

    def _known(self, sentinel: Address) -> set[Address]:
        return {B, C} if self.says[sentinel] else set()

    def look(self, address: Address) -> Server:
        if address not in self.servers:
            raise UserError(f"Asking {address}: refused")
        return self.servers[address]


def test_a_majority_names_the_primary() -> None:
    assert FakeSet([A, A, None, A, B], server(A, "master")).primary() == A


@pytest.mark.parametrize(
    ("says", "said"),
    [
        ([A, A, B, B, None], r"by 3 of 5 Sentinels \(2 for 10.0.0.1:6379, 2 for"),
        ([A, A, None, None, None], "2 for"),
        ([None] * 5, "none answers"),
    ],
)
def test_no_majority_no_primary(says: list[Address | None], said: str) -> None:
    with pytest.raises(UserError, match=said):
        FakeSet(says, server(A, "master")).primary()


def test_a_named_primary_that_is_none() -> None:
    with pytest.raises(UserError, match="named as the primary, but it isn't one"):
        FakeSet([A] * 5, server(A, "slave")).primary()


def test_replicas_that_are_linked_the_furthest_first() -> None:
    found = FakeSet([A] * 5, server(A, "master"), server(B, offset=90), server(C, offset=99))
    assert found.replicas(A) == [C, B]
    assert FakeSet([A] * 5, server(B), server(C, linked=False)).replicas(A) == [B]
    assert FakeSet([A] * 5, server(B), server(C, "master")).replicas(A) == [B]
    assert FakeSet([A] * 5, server(C)).replicas(A) == [C], "the other doesn't answer"


def taking(*servers: Server) -> Any:
    return SimpleNamespace(
        sessions=FakeSet([A] * 5, *servers),
        work=SimpleNamespace(need=lambda *_: None, check=lambda: None),
        settings=SimpleNamespace(set=SimpleNamespace(password="p", ca_file=None)),
        log=SimpleNamespace(progress=lambda _: None),
    )


def asked(fake: Taking, monkeypatch: pytest.MonkeyPatch, refuse: set[Address]) -> list[Address]:
    order: list[Address] = []

    def fetch(address: Address, *_: object) -> Transferred:
        order.append(address)
        if address in refuse:
            raise TransferError(f"{address}: NOMASTERLINK", "try again")
        return Transferred(job.Path("x"), 1, "0")

    monkeypatch.setattr(transfer, "fetch", fetch)
    job._transfer(fake, job._servers(fake.sessions), job.Path("x"))
    return order


def test_a_replica_is_asked_before_the_primary(monkeypatch: pytest.MonkeyPatch) -> None:
    three = (server(A, "master"), server(B), server(C, offset=101))
    assert asked(taking(*three), monkeypatch, set()) == [C]
    assert asked(taking(*three), monkeypatch, {C}) == [C, B]
    assert asked(taking(*three), monkeypatch, {B, C}) == [C, B, A]
    assert asked(taking(server(A, "master")), monkeypatch, set()) == [A], "there is no replica"


def test_nobody_hands_over_its_data(monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(TransferError, match="NOMASTERLINK") as caught:
        asked(taking(server(A, "master"), server(B)), monkeypatch, {A, B})
    assert caught.value.message.count("\n") == 1
    assert caught.value.hint == "try again"


def test_another_version_of_the_server_proves_little() -> None:
    job._check_version(server(A), SimpleNamespace(version="8.1.1"))  # type: ignore[arg-type]
    with pytest.raises(UserError, match=r"8\.1\.4, and the throw-away server runs 9\.0\.0"):
        job._check_version(server(A), SimpleNamespace(version="9.0.0"))  # type: ignore[arg-type]


def test_an_empty_copy_counts_only_if_the_set_is_empty() -> None:
    empty: Any = SimpleNamespace(keys=0)
    with pytest.raises(UserError, match="no keys, but the primary holds 5"):
        job._check_emptiness(FakeSet([A] * 5, server(A, "master")), empty, server(B))
    job._check_emptiness(FakeSet([A] * 5, server(A, "master", keys=0)), empty, server(B))
    job._check_emptiness(FakeSet([A] * 5), empty, server(A, "master"))
    job._check_emptiness(FakeSet([A] * 5), SimpleNamespace(keys=1), server(B))  # type: ignore[arg-type]
