"""How stores are opened and closed: twice in a process, without a goodbye, and without their folder."""

from __future__ import annotations

import gc
import shutil
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest

from filewallball.storage import Storage
from filewallball.storage.disk import DiskBackend, access, room
from filewallball.storage.on_disk import OnDisk


class Closing(DiskBackend):
    def __enter__(self) -> Closing:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def handles() -> int:
    return len(list(Path("/proc/self/fd").iterdir()))


def test_whoever_wants_more_room_gets_it(tmp_path: Path) -> None:
    small, large = DiskBackend(tmp_path, room.LEAST), DiskBackend(tmp_path, 16 * room.LEAST)
    for number in range(200):
        large.set(b"%d" % number, bytes(20_000))
    assert sum(value is not None for value in large.get_many([b"%d" % n for n in range(200)])) == 200
    small.set(b"small", bytes(20_000))
    large.set(b"large", bytes(20_000))
    assert small.get(b"large") == large.get(b"small") == bytes(20_000)
    large.close()
    small.close()


def test_stores_that_nobody_closed_are_closed(tmp_path: Path) -> None:
    def forgotten(name: str) -> None:
        DiskBackend(tmp_path / name).set(b"a", b"1")

    with Closing(tmp_path / "kept") as kept:
        forgotten("first")
        before = handles()
        for number in range(5):
            forgotten(str(number))
            gc.collect()
        assert handles() <= before + 5, "at most the last one is open"
        assert DiskBackend(tmp_path / "first").get(b"a") == b"1"
        assert kept.get(b"a") is None


def test_one_that_is_forgotten_closes_no_other_of_its_folder(tmp_path: Path) -> None:
    first = DiskBackend(tmp_path)
    DiskBackend(tmp_path).set(b"a", b"1")
    gc.collect()
    DiskBackend(tmp_path / "other").close()
    assert first.get(b"a") == b"1"
    first.close()


def removed(folder: Path) -> None:
    shutil.rmtree(folder)


def replaced(folder: Path) -> None:
    folder.rename(folder.with_name("old"))
    with Closing(folder) as other:
        other.set(b"other", b"2")


@pytest.mark.parametrize("how", [removed, replaced])
def test_a_folder_that_is_gone_is_begun_anew(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, how: Callable[[Path], None]
) -> None:
    monkeypatch.setattr(access, "TALLY_SECONDS", 0.0)
    folder = tmp_path / "store"
    one, two = OnDisk(folder), OnDisk(folder)
    one.set(b"a", b"1")
    one.locks().acquire("l", 60, 0)
    how(folder)
    assert one.set(b"b", b"2")
    two.get(b"a")  # within a second it is noticed
    assert (two.get(b"a"), two.get(b"b"), one.get(b"b")) == (None, b"2", b"2")
    assert two.get(b"other") == (b"2" if how is replaced else None)
    assert one.facts()["keys"] == len(list(one.keys(b"")))
    assert one.check(fix=False) == []
    one.close()
    two.close()


def test_every_call_begins_anew_by_itself(tmp_path: Path) -> None:
    folder = tmp_path / "store"
    for name in ("stats", "check", "cleanup", "health_check", "cleanup_expired_locks", "close"):
        storage = Storage.from_url(f"file://{folder}")
        with storage.lock("a", 60):
            storage.set("a", 1)
        shutil.rmtree(folder)
        getattr(storage, name)()
        if name != "close":
            with storage.lock("b", 60, 0):
                pass
        storage.close()


def test_a_new_folder_with_the_number_of_the_old_one(tmp_path: Path) -> None:
    first = DiskBackend(tmp_path / "a")
    first.set(b"a", b"1")
    (tmp_path / "a" / "store" / "data.mdb").unlink()
    with Closing(tmp_path / "a") as second:
        assert second.get(b"a") is None
        assert first.get(b"a") is None
        assert first.set(b"b", b"2")
        assert second.get(b"b") == b"2"
    first.close()


def test_what_an_application_does_at_its_end_is_kept(tmp_path: Path) -> None:
    program = f"""
import atexit
from filewallball.storage import Storage
atexit.register(lambda: storage.set("end", storage.get("begin")))
storage = Storage.from_url("file://{tmp_path}")
storage.set("begin", 5)
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stderr == ""
    with Storage.from_url(f"file://{tmp_path}") as storage:
        assert storage.get("end") == 5


def test_closing_waits_for_who_is_reading(tmp_path: Path) -> None:
    backend = DiskBackend(tmp_path)
    backend.set(b"a", b"1")
    opened = backend._open()
    inside, go_on, closed = threading.Event(), threading.Event(), threading.Event()

    def read() -> None:
        with opened.gate():
            inside.set()
            go_on.wait(20)

    def close() -> None:
        backend.close()
        closed.set()

    threads = [threading.Thread(target=read), threading.Thread(target=close)]
    threads[0].start()
    assert inside.wait(20)
    threads[1].start()
    assert not closed.wait(0.05)
    go_on.set()
    assert closed.wait(20)
    for thread in threads:
        thread.join()
