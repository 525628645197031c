"""Every kind of store does what the model does: values, times to live, counters, documents, names."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis.stateful import run_state_machine_as_test

from tests.e2e.redis_lab import Server
from tests.e2e.storage.model import Model
from tests.e2e.storage.stores import InFolder, OnServers, Store, Watched, made

THOROUGH = os.environ.get("STORAGE_EXAMPLES")


def check(make: Callable[[], Store], examples: int) -> None:
    kind = type("OfThisStore", (Model,), {"make": staticmethod(make)})
    options = settings(
        max_examples=int(THOROUGH or examples),
        stateful_step_count=30,
        deadline=None,
        derandomize=not THOROUGH,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    run_state_machine_as_test(kind, settings=options)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["threads", "asyncio"])
def test_on_one_server(server: Server, asynchronous: bool) -> None:
    with server.client() as client:
        check(lambda: OnServers(made(server.url, asynchronous=asynchronous), [client]), 15)


@pytest.mark.parametrize("asynchronous", [False, True], ids=["threads", "asyncio"])
def test_in_a_folder(tmp_path: Path, asynchronous: bool) -> None:
    check(lambda: InFolder(tmp_path / "store", asynchronous=asynchronous), 15)


@pytest.mark.nightly
@pytest.mark.parametrize("asynchronous", [False, True], ids=["threads", "asyncio"])
def test_on_a_cluster(cluster: list[Server], asynchronous: bool) -> None:
    url = "redis+cluster://" + ",".join(each.address for each in cluster)
    clients = [each.client() for each in cluster]
    check(lambda: OnServers(made(url, asynchronous=asynchronous), clients), 15)


@pytest.mark.nightly
@pytest.mark.parametrize("asynchronous", [False, True], ids=["threads", "asyncio"])
def test_on_a_set_with_sentinels(watched: Watched, asynchronous: bool) -> None:
    with watched.servers[0].client() as client:
        check(lambda: OnServers(made(watched.url, asynchronous=asynchronous), [client]), 15)
