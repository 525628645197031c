"""Locks on a Redis Cluster: the keys of one lie in one slot, those of many on all servers."""

from __future__ import annotations

import threading

import pytest
from redis.cluster import RedisCluster
from redis_lab import RedisLab
from redis_locks import LONG, Direct

from filewallball.storage.errors import NotAcquired, NotHeld
from filewallball.storage.locks.on_redis import RedisLocks


@pytest.mark.nightly
def test_locks_of_a_cluster(lab: RedisLab) -> None:
    servers = lab.cluster()
    locks = RedisLocks(Direct(RedisCluster(host="127.0.0.1", port=servers[0].port)), "app:")
    names = [*(f"name {number}" for number in range(12)), "}", "{x}"]
    held = [locks.acquire(name, LONG, 0) for name in names]
    assert locks.held() == sorted(names)
    assert all(any("held" in key for key in each.client().keys("*")) for each in servers[:3])
    with pytest.raises(NotAcquired):
        locks.acquire("}", LONG, 0)
    got: list[int] = []
    thread = threading.Thread(target=lambda: got.append(locks.acquire("name 1", LONG, 30).token))
    thread.start()
    thread.join(0.3)
    assert not got
    for each in held:
        each.extend(LONG)
        each.release()
    thread.join()
    assert got[0] > held[1].token
    with pytest.raises(NotHeld):
        held[1].release()
