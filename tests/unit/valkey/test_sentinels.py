"""Sentinels that spin on a broken link, and how it is ended."""

from __future__ import annotations

from typing import Any

from filewallball.valkey.layout import Pod
from filewallball.valkey.sentinels import Work, end_links

SENTINEL = Pod("valkey-sentinel-3", "10.0.1.4")


def test_a_sentinel_at_rest_does_not_spin() -> None:
    work = Work()
    for look in range(10):
        work.look(look * 0.1, look * 5.0)
    assert not work.spins


def test_one_that_takes_all_the_processor_it_can_get_spins() -> None:
    work = Work()
    work.look(1.0, 0.0)
    work.look(4.0, 5.0)
    assert not work.spins, "once may be chance"
    work.look(7.0, 10.0)
    assert work.spins


def test_a_quiet_while_or_a_restart_begins_the_count_anew() -> None:
    work = Work()
    for used, now in ((1.0, 0.0), (4.0, 5.0), (4.1, 10.0), (7.0, 15.0), (0.1, 20.0), (3.0, 25.0)):
        work.look(used, now)
    assert not work.spins


def test_only_the_links_of_that_sentinel_are_ended() -> None:
    ours = SENTINEL.identity[:8]
    clients = [
        f"id=4 addr=10.0.0.9:1 name=sentinel-{ours}-cmd user=peer",
        "id=5 addr=10.0.0.8:1 name=sentinel-00000000-cmd user=peer",
        f"id=6 addr=10.0.0.9:2 name=sentinel-{ours}-pubsub user=watch",
        "id=7 addr=10.0.0.7:1 name= user=default",
    ]
    calls: list[tuple[Any, ...]] = []

    def call(*words: Any) -> str:
        calls.append(words)
        return "\n".join(clients) + "\n"

    end_links(call, SENTINEL)
    assert calls[1:] == [("CLIENT", "KILL", "ID", "4"), ("CLIENT", "KILL", "ID", "6")]
