"""What can be written comes back: the largest values, and keys larger than any answer of a server."""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

import pytest
from local_set import MASTER
from redis.exceptions import ConnectionError, ResponseError
from snapshot_lab import Lab

MIB = 2**20
LARGEST = 12 * MIB
"""valkey.conf: proto-max-bulk-len"""
ANSWERS = "normal 32mb 16mb 30"
"""valkey.conf: client-output-buffer-limit"""
ELEMENTS = 4_000
SOON = 2_000_000_000
BYTES = random.Random(1).randbytes


def patience(lab: Lab, milliseconds: str) -> None:
    for each in lab.servers.sentinels:
        words = ("SENTINEL", "SET", MASTER, "down-after-milliseconds", milliseconds)
        lab.servers.client(each, "peer").execute_command(*words)


@pytest.fixture
def roomy(lab: Lab) -> Iterator[Lab]:
    """The set with room for what follows, twice, and Sentinels that bear with busy servers."""
    patience(lab, "30000")
    for each in lab.servers.members:
        lab.servers.client(each, "agent").config_set("maxmemory", 1024 * MIB)
    yield lab
    lab.flush()
    for each in lab.servers.members:
        lab.servers.client(each, "agent").config_set("maxmemory", lab.servers.settings["maxmemory"])
    patience(lab, lab.servers.options["FWB_DOWN_AFTER_MS"])


@pytest.fixture
def tight(roomy: Lab) -> Iterator[Lab]:
    """The set with half of its limits for values and answers, which half as much data goes beyond."""

    def limit(value: int, answers: str) -> None:
        for each in roomy.servers.members:
            agent = roomy.servers.client(each, "agent")
            agent.config_set("proto-max-bulk-len", value)
            agent.config_set("client-output-buffer-limit", answers)

    limit(LARGEST // 2, "normal 16mb 8mb 30")
    yield roomy
    limit(LARGEST, ANSWERS)


def come_back(lab: Lab) -> None:
    """A restore brings back what a snapshot of the restored set finds equal, on every member."""
    environment = {"FWB_WORK_SIZE": "1Gi"}
    name = lab.run("run", **environment).rstrip().rpartition(" ")[2]
    taken = next(one.manifest for one in lab.entries() if one.name == name)
    assert taken
    lab.flush()
    assert f"restore: OK {name}" in lab.run("restore", "--name", name, **environment)
    again = lab.run("run", **environment).rstrip().rpartition(" ")[2]
    found = next(one.manifest for one in lab.entries() if one.name == again)
    assert found
    assert found.databases == taken.databases
    assert found.source.startswith("replica")


def test_the_largest_value_is_written_and_read(roomy: Lab) -> None:
    client = roomy.client()
    value = BYTES(LARGEST)
    assert client.set("largest", value)
    assert client.get("largest") == value
    client.hset("hash", "largest", value)
    with pytest.raises(ResponseError, match="proto-max-bulk-len"):
        client.append("largest", "x")
    with pytest.raises(ResponseError, match="proto-max-bulk-len"):
        client.setrange("other", LARGEST, "x")
    with pytest.raises(ConnectionError):
        client.set("larger", value + b"x")
    come_back(roomy)
    assert client.get("largest") == value
    assert client.hget("hash", "largest") == value


def filled(client: Any) -> None:
    """Keys of every type that DUMP couldn't hand out, or RESTORE not take."""
    pipeline = client.pipeline(transaction=False)
    for start in range(0, ELEMENTS, 500):
        numbers = range(start, start + 500)
        pipeline.hset("hash", mapping={f"field-{number}": BYTES(3200) for number in numbers})
        pipeline.rpush("list", *(BYTES(300) for _ in numbers))
        pipeline.sadd("set", *(b"%d" % number + BYTES(1100) for number in numbers))
        pipeline.zadd("board", {b"%d" % number + BYTES(1100): number / 3 for number in numbers})
        for number in numbers:
            pipeline.xadd("stream", {"a": BYTES(1100), "b": "x"}, id=f"{number + 1}-{number % 3}")
        pipeline.execute()
    # One large element among many small ones.
    pipeline.hset("hash", "large", BYTES(LARGEST // 2))
    pipeline.rpush("list", BYTES(LARGEST // 2))
    pipeline.zadd("board", {"first": "-inf", "last": "inf"})
    pipeline.expireat("hash", SOON)
    pipeline.setbit("bits", 5 * MIB * 8, 1)
    pipeline.xgroup_create("stream", "readers", "0")
    pipeline.xgroup_create("stream", "late", "$")
    pipeline.xgroup_createconsumer("stream", "late", "idle")
    pipeline.xreadgroup("readers", "one", {"stream": ">"}, count=3000)
    pipeline.xreadgroup("readers", "other", {"stream": ">"}, count=5)
    # Gone while they are pending: the first two, and one between; the last one was never read.
    pipeline.xtrim("stream", minid="3", approximate=False)
    pipeline.xdel("stream", "1500-2", f"{ELEMENTS}-{(ELEMENTS - 1) % 3}")
    pipeline.execute()


def of_the_stream(client: Any) -> Any:
    about = client.xinfo_stream("stream")
    for key in ("radix-tree-keys", "radix-tree-nodes"):
        del about[key]
    pending = client.xpending_range("stream", "readers", "-", "+", 4000)
    for one in pending:
        del one["time_since_delivered"]
    groups = client.xinfo_groups("stream")
    consumers = [one["name"] for group in groups for one in client.xinfo_consumers("stream", group["name"])]
    return about, groups, pending, consumers


def test_keys_of_every_type_that_are_larger_than_an_answer(tight: Lab) -> None:
    client = tight.client()
    filled(client)
    stream = of_the_stream(client)
    with pytest.raises(ConnectionError):
        client.hgetall("hash")
    come_back(tight)
    for member in tight.servers.members:
        assert of_the_stream(tight.client(member)) == stream
        assert tight.client(member).expiretime("hash") == SOON


@pytest.mark.nightly
@pytest.mark.parametrize(("size", "kinds"), [(40, "string and hash"), (40, "all"), (80, "string")])
def test_values_that_no_client_can_send(roomy: Lab, size: int, kinds: str) -> None:
    """A script can make them, and older versions took them. One is larger than a replica's buffer."""
    client = roomy.client()
    made = f"string.rep('0123456789abcdef', {size * MIB // 16})"
    scripts = [f"redis.call('SET', KEYS[1], {made} .. '!')"]
    if kinds != "string":
        scripts.append(f"redis.call('HSET', KEYS[1] .. 'h', 'a', 'b', 'large', {made})")
    if kinds == "all":
        scripts.append(f"redis.call('RPUSH', KEYS[1] .. 'l', 'a', {made}, 'b')")
        scripts.append(f"redis.call('XADD', KEYS[1] .. 's', '1-1', 'a', 'b', 'a', {made})")
    for script in scripts:
        client.eval(script, 1, "value")
        roomy.wait_linked()
    come_back(roomy)
    assert client.strlen("value") == size * MIB + 1
    assert client.getrange("value", -3, -1) == b"ef!"


def test_a_large_key_that_differs_is_not_put_in_place(roomy: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    from filewallball.snapshots import placing

    client = roomy.client()
    client.hset("hash", mapping={str(number): BYTES(1000) for number in range(10_000)})
    name = roomy.take().name
    real = placing.Placing._write

    def write(self: Any, number: int, group: Any) -> int:
        written = real(self, number, group)
        self._staging.execute_command("HSET", "hash", "5000", "other")
        return written

    monkeypatch.setattr(placing.Placing, "_write", write)
    output = roomy.run("restore", "--name", name, code=1)
    assert "1 keys differ, 0 are missing, 0 are equal" in output
