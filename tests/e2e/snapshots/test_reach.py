"""What applications can reach is kept, and what is the product's own they can't reach."""

from __future__ import annotations

import json
import threading
from typing import Any

import pytest
from local_set import wait_for
from redis.exceptions import NoPermissionError, ResponseError
from snapshot_lab import Lab

from facts.valkey import CLOCK, CLOCK_DB
from filewallball.snapshots.databases import DATABASES, LOCK, STAGING
from filewallball.snapshots.manifest import Manifest

LIBRARY = "#!lua name={name}\nserver.register_function('{name}', function(keys, words) return {answer} end)"
REACH = LIBRARY.format(name="reach", answer="server.call(unpack(words))")


@pytest.mark.parametrize(
    "command",
    [
        ("SELECT", STAGING),
        ("SELECT", f"0{STAGING}"),
        ("MOVE", "mine", STAGING),
        ("COPY", "mine", "copy", "DB", STAGING),
        ("COPY", CLOCK, "copy"),
        ("DEL", CLOCK),
        ("UNLINK", "mine", CLOCK),
        ("HGETALL", CLOCK),
        ("RENAME", "mine", CLOCK),
        ("RENAME", CLOCK, "mine"),
        ("SET", LOCK, "1", "NX"),
        ("SET", "fwb:check:mine", "1"),
        ("PEXPIRE", CLOCK, 1),
        ("SWAPDB", 0, CLOCK_DB),
        ("FLUSHDB",),
        ("FLUSHALL",),
    ],
)  # fmt: skip
def test_no_way_to_what_is_the_products_own(lab: Lab, command: tuple[Any, ...]) -> None:
    lab.client(database=CLOCK_DB).function_load(REACH, replace=True)

    def clock() -> Any:
        return lab.servers.client(lab.primary, "checks", db=CLOCK_DB).hmget(CLOCK, "epoch")[0]

    epoch = wait_for(clock, 5, lambda: "no clock")
    words = ", ".join(f"'{word}'" for word in command)
    with lab.client(database=CLOCK_DB) as client:
        client.set("mine", "1")
        with pytest.raises(NoPermissionError):
            client.execute_command(*command)
        for script in (("EVAL", f"return redis.call({words})", 0), ("FCALL", "reach", 0, *command)):
            with pytest.raises(ResponseError, match=r"ACL failure in script|No permission"):
                client.execute_command(*script)
        for transaction in (True, False):
            pipeline = client.pipeline(transaction=transaction)
            pipeline.execute_command(*command)
            with pytest.raises(ResponseError, match="permission"):
                pipeline.execute()
    assert clock() == epoch
    assert lab.as_backup(STAGING).dbsize() == 0


def test_every_other_name_is_an_applications(lab: Lab) -> None:
    names = [
        b"",
        b"f",
        b"fw",
        b"fwb",
        b"fwb;",
        b"fwbx:clock",
        b"FWB:clock",
        b"fxb:",
        b"\x00",
        b"\xff\r\n",
        b"f:",
        b"fwb\x00:",
    ]
    for database in DATABASES:
        with lab.client(database=database) as client:
            assert all(client.set(name, b"of " + name) for name in names)
            assert client.mget(names) == [b"of " + name for name in names]
    written = lab.contents()
    assert len(written) == len(names) * len(DATABASES)
    taken = lab.take()
    assert set(taken.databases) == set(DATABASES)
    lab.flush()
    lab.run("restore", "--latest")
    lab.wait_same_everywhere()
    assert lab.contents() == written


class Watching:
    """Reads a replica's clock all the time: it is never gone, and never goes back."""

    def __init__(self, lab: Lab) -> None:
        replica = next(one for one in lab.servers.members if one is not lab.primary)
        self._client: Any = lab.servers.client(replica, "checks", db=CLOCK_DB)
        self.seen: list[tuple[int, int]] = []
        self.gone = 0
        self._over = threading.Event()
        wait_for(self._read, 5, lambda: "no clock")
        self._thread = threading.Thread(target=self._run)
        self._thread.start()

    def _read(self) -> tuple[int, int] | None:
        epoch, tick = self._client.hmget(CLOCK, "epoch", "tick")
        return None if epoch is None else (int(epoch), int(tick))

    def _run(self) -> None:
        while not self._over.is_set():
            if (found := self._read()) is None:
                self.gone += 1
            else:
                self.seen.append(found)

    def stop(self) -> None:
        self._over.set()
        self._thread.join()


@pytest.mark.parametrize("of_the_application", [True, False])
def test_the_clock_outlives_a_restore_of_its_database(lab: Lab, of_the_application: bool) -> None:
    if of_the_application:
        lab.client(database=CLOCK_DB).set("mine", "1")
    lab.client().set("mine", "0")
    taken = lab.take()
    assert (CLOCK_DB in taken.databases) is of_the_application
    lab.client(database=CLOCK_DB).set("newer", "2")
    watching = Watching(lab)
    try:
        lab.run("restore", "--name", taken.name)
    finally:
        watching.stop()
    assert watching.gone == 0
    assert watching.seen == sorted(watching.seen)
    found = sorted(key for number, key in lab.contents() if number == CLOCK_DB)
    assert found == ([b"mine"] if of_the_application else [])
    assert lab.as_backup(CLOCK_DB).get(LOCK) is None


def as_first_version(lab: Lab, taken: Manifest) -> None:
    """Make of a snapshot what it would be if an older program had taken it."""
    about = json.loads(taken.to_json()) | {"format": 1}
    del about["functions"]
    about["databases"] = {number: one for number, one in about["databases"].items() if int(number) < 14}
    key = f"{taken.name}.manifest.json"
    lab.store().delete(key)
    lab.store().put(json.dumps(about).encode(), key)


def test_a_snapshot_of_an_older_version(lab: Lab) -> None:
    """It says nothing of the last two databases: they stay as they are."""
    for number in DATABASES:
        lab.client(database=number).set("which", "snapshot")
    lab.client().function_load(LIBRARY.format(name="old", answer="1"))
    taken = lab.take()
    as_first_version(lab, taken)
    for number in DATABASES:
        lab.client(database=number).set("which", "newer")
    lab.client().function_flush()
    lab.run("restore", "--name", taken.name)
    found = {number: value for (number, _), (value, _) in lab.contents().items()}
    assert found == {number: b"snapshot" if number < 14 else b"newer" for number in DATABASES}
    assert lab.client().fcall("old", 0) == 1, "the file held it, though no manifest told of it"


@pytest.fixture
def libraries(lab: Lab) -> Lab:
    with lab.client() as client:
        client.set("a", "1")
        client.function_load(LIBRARY.format(name="kept", answer="1"))
        client.function_load(LIBRARY.format(name="changed", answer="'before'"))
    return lab


def test_functions_come_back(libraries: Lab) -> None:
    lab = libraries
    taken = lab.take()
    assert set(taken.functions) == {"kept", "changed"}
    with lab.client() as client:
        client.function_delete("kept")
        client.function_load(LIBRARY.format(name="changed", answer="'after'"), replace=True)
        client.function_load(LIBRARY.format(name="new", answer="2"))
    said = lab.run("restore", "--name", taken.name)
    assert "2 libraries in place" in said
    for member in lab.servers.members:
        with lab.client(member) as client:
            listed = client.execute_command("FUNCTION", "LIST")
            assert {one[b"library_name"] for one in listed} == {b"kept", b"changed"}
    assert lab.client().fcall("kept", 0) == 1
    assert lab.client().fcall("changed", 0) == b"before"
    assert lab.take().functions == taken.functions
    # What was there before was put aside, functions too.
    aside = next(one.manifest for one in lab.entries() if one.manifest and one.manifest.before_restore)
    assert set(aside.functions) == {"changed", "new"}
    lab.run("restore", "--name", aside.name)
    assert lab.client().fcall("new", 0) == 2


def test_a_snapshot_without_functions_leaves_none(lab: Lab) -> None:
    lab.client().set("a", "1")
    taken = lab.take()
    lab.client().function_load(LIBRARY.format(name="new", answer="2"))
    lab.run("restore", "--name", taken.name)
    assert lab.client().execute_command("FUNCTION", "LIST") == []


def test_other_functions_than_the_manifest_tells_of(libraries: Lab) -> None:
    taken = libraries.take()
    about = json.loads(taken.to_json())
    about["functions"]["kept"] = "0" * 64
    key = f"{taken.name}.manifest.json"
    libraries.store().delete(key)
    libraries.store().put(json.dumps(about).encode(), key)
    output = libraries.run("restore", "--name", taken.name, code=1)
    assert "a server that loaded it holds other data than when it was taken" in output
    assert "The set was left as it is" in output
