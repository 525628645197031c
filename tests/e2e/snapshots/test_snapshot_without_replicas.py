"""Where there is no replica to ask, the primary is: without a trace in what the Sentinels know."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest
from local_set import MASTER, wait_for
from snapshot_lab import Lab

from facts.valkey import CLOCK, CLOCK_DB
from filewallball.snapshots import transfer


@contextmanager
def waiting_for_a_copy(lab: Lab, address: str) -> Iterator[None]:
    """The primary has been asked for a copy, and takes its time."""
    agent = lab.servers.client(lab.primary, "agent")
    agent.config_set("repl-diskless-sync-delay", 600)
    try:
        with socket.create_connection((lab.primary.pod.host, 6379)) as connection:
            stream = transfer.Stream(connection)
            stream.command("AUTH", "backup", lab.servers.passwords["backup"])
            for name, value in (("rdb-only", "1"), ("ip-address", address), ("capa", "eof")):
                stream.command("REPLCONF", name, value)
            stream.send("PSYNC", "?", "-1")
            listed = lab.servers.client(lab.primary, "checks")
            wait_for(lambda: "port=0" in _raw(listed), 10, lambda: _raw(listed))
            yield
    finally:
        agent.config_set("repl-diskless-sync-delay", 0)


def _raw(client: Any) -> str:
    client.set_response_callback("INFO", str)
    return str(client.execute_command("INFO", "replication"))


@pytest.mark.parametrize(
    ("address", "added"), [(transfer._NO_ADDRESS, 0), ("127.99.0.1", 1)], ids=["a name", "an address"]
)
def test_sentinels_do_not_take_the_job_for_a_replica(lab: Lab, address: str, added: int) -> None:
    """The second case is the trap: so any `valkey-cli --rdb` of a primary ends."""
    one = lab.servers.sentinels[-1]
    asked = lab.servers.client(one, "peer")
    before = len(asked.sentinel_slaves(MASTER))
    asked.execute_command("SENTINEL", "DEBUG", "INFO-PERIOD", "100")
    try:
        with waiting_for_a_copy(lab, address):
            seen = time.time()

            def looked_again() -> bool:
                return time.time() - seen > 0.5 + asked.sentinel_master(MASTER)["info-refresh"] / 1000

            wait_for(looked_again, 10, lambda: "no INFO since")
            assert len(asked.sentinel_slaves(MASTER)) == before + added
    finally:
        # What it has learnt goes with it: it starts from the declared addresses.
        lab.servers.kill(one)
        lab.servers.start_server(one)
        lab.servers.wait_whole()


def test_a_snapshot_of_a_lone_primary(lab: Lab) -> None:
    with lab.client() as client:
        client.set("a", "1")
    # The flush before each test took the clock that orders data by their age; members come back below.
    clock = lab.servers.client(lab.primary, "agent", db=CLOCK_DB)
    wait_for(lambda: clock.hmget(CLOCK, ["tick"])[0], 10, lambda: "no clock")
    lab.wait_linked()
    others = [one for one in lab.servers.members if one is not lab.primary]
    primary = lab.primary
    for one in others:
        lab.servers.stop_agent_roughly(one)
        lab.servers.kill(one)
    try:
        said = lab.run("run")
        assert "0 replicas linked" in said
        assert f"from the primary {primary.pod.host}:6379" in said
        name = said.rstrip().rpartition(" ")[2]
        # A restore has to write, and a primary without replicas takes no writes.
        refused = lab.run("restore", "--name", name, code=1)
        assert "NOREPLICAS" in refused
        assert "The set was left as it is" in refused
    finally:
        for one in others:
            lab.servers.start([one])
        lab.servers.wait_whole()
    assert lab.client().get("a") == b"1"
