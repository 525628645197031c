"""The small parts: percentiles, replies of the servers, verdicts."""

from __future__ import annotations

import dataclasses
import math
import random
from typing import Any

import pytest

from filewallball.snapshots.settings import Address
from filewallball.stability import members, proving, servers, verdicts
from filewallball.stability.facts_of_nodes import NodeFacts, quantiles
from filewallball.stability.histogram import Histogram
from filewallball.stability.segments import figures
from filewallball.stability.topology import Deployment, Node, Shard
from filewallball.stability.verdicts import Picture

NODES = """\
aaa 10.0.0.1:7001@17001,host-1 myself,master - 0 0 3 connected 0-99 200 [300->-bbb]
bbb 10.0.0.2:7001@17001,,tls-port=0,shard-id=x master,fail - 0 0 5 disconnected 100-199
ccc 10.0.0.3:7001@17001 slave aaa 0 0 3 connected
ddd :0@0 slave,noaddr aaa 0 0 3 disconnected
eee 10.0.0.5:7001@17001 handshake - 0 0 0 connected
fff [::1]:7001@17001 master,fail? - 0 0 6 connected
"""


@pytest.mark.parametrize(
    ("reply", "host"),
    [
        ("MOVED 3999 10.0.0.2:7001", "10.0.0.2"),
        ("3999 10.0.0.2:7001", "10.0.0.2"),  # as redis-py passes it on
        ("ASK 3999 :7001", "10.0.0.1"),
        ("MOVED 3999 ?:7001", "10.0.0.1"),
        ("MOVED 3999 fd00::2:7001", "fd00::2"),
        ("MOVED 3999 node-2.example:7001", "node-2.example"),
    ],
)
def test_the_node_to_which_a_server_refers(reply: str, host: str) -> None:
    assert servers.redirected(reply, Address("10.0.0.1", 7009)) == Address(host, 7001)


def test_members_of_a_cluster() -> None:
    found = {
        each.node_id: each for each in members.parsed(NODES.replace("[::1]", "::1"), Address("asked", 1))
    }
    assert list(found) == ["aaa", "bbb", "ccc", "fff"]
    assert found["aaa"].slots == ((0, 99), (200, 200))
    assert found["aaa"].moving == ("[300->-bbb]",)
    assert (found["aaa"].myself, found["ccc"].follows) == (True, "aaa")
    assert "failed" in found["bbb"].fault
    assert found["fff"].address == Address("::1", 7001)
    assert members.parsed("a :7001@17001 myself,master - 0 0 1 connected\n", Address("asked", 1))[
        0
    ].address == Address("asked", 7001)


def test_a_histogram_is_exact_to_half_a_percent() -> None:
    made = random.Random(1)
    values = [made.lognormvariate(4, 2) for _ in range(20_000)]
    found = Histogram()
    found.add(values[:5000])
    found.add(values[5000:])
    values.sort()
    for percent in (1, 50, 99, 99.9, 100):
        exact = values[math.ceil(percent / 100 * len(values)) - 1]
        assert found.percentile(percent) == pytest.approx(exact, rel=0.006, abs=1)
    assert found.summary()["max"] == pytest.approx(values[-1] / 1000, abs=0.001)
    assert Histogram().summary() == {}


def test_figures_and_quantiles() -> None:
    assert figures([]) == {}
    assert figures([4.0, 1.0, 3.0, 2.0, 5.0])["p50"] == 3
    assert figures([1.0])["p99"] == 1
    assert quantiles([1.0, 2.0]) == (1.0, 2.0)
    many = quantiles([float(each) for each in range(10_000)])
    assert (len(many), many[0], many[-1]) == (100, 0.0, 9999.0)


def test_a_tag_for_each_shard() -> None:
    shard = Shard(Node(Address("a", 1)), slots=((5000, 5001), (16383, 16383)))
    assert proving.key_of(Deployment("cluster", (shard,)), shard, "x").endswith("}:x")
    with pytest.raises(ValueError, match="no slots"):
        proving.tag_of(Shard(Node(Address("a", 1))))


def picture(kind: Any = "cluster", **changes: Any) -> Picture:
    """Two shards with a replica each; `changes` are of the first primary's facts."""
    shards: list[Shard] = []
    nodes: list[NodeFacts] = []
    for number, slots in enumerate((((0, 8191),), ((8192, 16383),))[: 1 if kind != "cluster" else 2]):
        primary, replica = Address(f"p{number}", 1), Address(f"r{number}", 1)
        shards.append(Shard(Node(primary), (Node(replica),), slots if kind == "cluster" else ()))
        cluster = {"cluster_state": "ok", "cluster_known_nodes": "4"} if kind == "cluster" else {}
        common: dict[str, Any] = {"version": "redis 7.0.15", "cluster": cluster}
        nodes.append(NodeFacts(str(primary), number, "primary", says="primary", **common))
        nodes.append(
            NodeFacts(str(replica), number, "replica", says="replica", follows=str(primary), **common)
        )
    nodes[0] = dataclasses.replace(nodes[0], **changes)
    return Picture(Deployment(kind, tuple(shards), master="m"), nodes, {}, [])


def statuses(seen: Picture) -> dict[str, str]:
    return {each.name: each.status for each in verdicts.judge(seen) if each.status != "ok"}


@pytest.mark.parametrize("kind", ["cluster", "sentinel", "stand-alone"])
def test_all_is_well(kind: str) -> None:
    assert statuses(picture(kind)) == {}


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"fault": "does not answer"}, {"nodes": "failed"}),
        ({"loading": True}, {"nodes": "failed"}),
        ({"says": "replica"}, {"roles": "failed"}),
        ({"moving": ("[1->-a]",)}, {"slots": "warning"}),
        ({"cluster": {"cluster_state": "fail", "cluster_known_nodes": "4"}}, {"cluster": "failed"}),
        ({"cluster": {"cluster_state": "ok", "cluster_known_nodes": "3"}}, {"cluster": "failed"}),
        ({"used_memory": 96, "maxmemory": 100, "policy": "noeviction"}, {"memory": "failed"}),
        ({"used_memory": 96, "maxmemory": 100, "policy": "allkeys-lru"}, {"memory": "warning"}),
        ({"rdb_ok": False}, {"persistence": "failed"}),
        ({"aof_ok": False}, {"persistence": "failed"}),
        ({"version": "redis 7.2.0"}, {"versions": "warning"}),
    ],
)
def test_each_fault_has_its_subject(changes: dict[str, Any], expected: dict[str, str]) -> None:
    assert statuses(picture(**changes)) == expected


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        ({"linked": False}, {"roles": "failed"}),
        ({"behind": 2 << 20}, {"replicas": "failed"}),
        ({"lag_seconds": 60}, {"replicas": "failed"}),
        ({"fault": "does not answer"}, {"nodes": "failed", "replicas": "warning"}),
    ],
)
def test_faults_of_a_replica(changes: dict[str, Any], expected: dict[str, str]) -> None:
    seen = picture()
    nodes = [seen.nodes[0], dataclasses.replace(seen.nodes[1], **changes), *seen.nodes[2:]]
    shard = seen.deployment.shards[0]
    replicas = tuple(dataclasses.replace(each, fault=changes.get("fault", "")) for each in shard.replicas)
    shards = (dataclasses.replace(shard, replicas=replicas), *seen.deployment.shards[1:])
    changed = dataclasses.replace(
        seen, nodes=nodes, deployment=dataclasses.replace(seen.deployment, shards=shards)
    )
    assert statuses(changed) == expected


def test_slots_that_nobody_has_and_nobody_serves() -> None:
    seen = picture()
    first, second = seen.deployment.shards
    hole = dataclasses.replace(
        seen.deployment, shards=(dataclasses.replace(first, slots=((0, 8190),)), second)
    )
    assert statuses(dataclasses.replace(seen, deployment=hole)) == {"slots": "failed"}
    down = dataclasses.replace(first, primary=dataclasses.replace(first.primary, fault="does not answer"))
    lost = dataclasses.replace(seen.deployment, shards=(down, second))
    assert statuses(dataclasses.replace(seen, deployment=lost)) == {"slots": "failed"}


def test_sentinels_and_writes() -> None:
    seen = picture("sentinel")
    assert statuses(dataclasses.replace(seen, sentinels={"s:1": "names b:1"})) == {"sentinels": "failed"}
    assert statuses(dataclasses.replace(seen, unwritten=["a:1: READONLY"])) == {"write-read-delete": "failed"}
