"""A folder of diskcache 5.6.3, made by itself, is taken over without executing anything that is in it."""

from __future__ import annotations

import os
import sqlite3
import subprocess
import sys
from pathlib import Path
from typing import Any

import diskcache
import pytest

from filewallball.storage import Storage
from filewallball.storage.disk.diskcache import Imported, import_diskcache
from filewallball.storage.errors import Damaged, WrongSetting


class Bomb:
    """Unpickled, it would make a file."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


VALUES = {
    "text": "값",
    "long text": "값" * 20_000,
    "bytes": b"\0\xff",
    "long bytes": bytes(100_000),
    "int": -(2**63),
    "float": 0.5,
    "": "",
}


def taken(folder: Path) -> tuple[dict[str, tuple[Any, float | None]], Imported]:
    found: dict[str, tuple[Any, float | None]] = {}

    def write(key: str, value: object, ttl: float | None) -> None:
        found[key] = (value, ttl)

    return found, import_diskcache(folder, write)


def test_every_kind_but_the_pickled_is_taken_over(tmp_path: Path) -> None:
    with diskcache.Cache(str(tmp_path / "old"), disk_min_file_size=1_000, cull_limit=0) as old:
        for key, value in VALUES.items():
            old.set(key, value)
        old.set(5, "five")
        old.set(b"six", "six")
        old.set(b"\xff", "no text")
        old.set("5", "five too")
        old.set("for an hour", 1, expire=3600, tag="x")
        old.set("over", 1, expire=3600)
        old._sql("UPDATE Cache SET expire_time = 1 WHERE key = 'over'")
        old.set("pickled", {"a": 1})
        old.set("bomb", Bomb(tmp_path / "exploded"))
        old.set(("a", 1), "pickled key")
        old.set("long pickled", ["x" * 5_000])
    found, told = taken(tmp_path / "old")
    assert {key: found[key] for key in VALUES} == {key: (value, None) for key, value in VALUES.items()}
    assert found["5"] == ("five too", None)
    assert found["six"] == ("six", None)
    value, ttl = found["for an hour"]
    assert value == 1
    assert 3_590 < (ttl or 0) <= 3_600
    assert len(found) == told.copied == len(VALUES) + 3
    assert (told.expired, told.pickled) == (1, 4)
    assert told.left_out == {
        "the key is bytes that are no UTF-8": 1,
        "two keys have the same name": 1,
    }
    assert not (tmp_path / "exploded").exists()
    assert any("4 were left out, since they are pickled" in line for line in told.lines())


def test_all_parts_of_a_fanout_cache_are_taken_over(tmp_path: Path) -> None:
    with diskcache.FanoutCache(str(tmp_path / "old"), shards=3) as old:
        for number in range(50):
            old.set(f"k{number}", number)
    found, told = taken(tmp_path / "old")
    assert found == {f"k{number}": (number, None) for number in range(50)}
    assert told.copied == 50


@pytest.mark.parametrize(
    "name", ["../../outside.val", "/etc/passwd", "aa/bb/../../../outside.val", "aa/bb/cc", ""]
)
def test_the_index_leads_nowhere_else(tmp_path: Path, name: str) -> None:
    (tmp_path / "outside.val").write_text("secret")
    folder = tmp_path / "old" / "cache"
    with diskcache.Cache(str(folder), disk_min_file_size=10) as old:
        old.set("a", "x" * 100)
        old.set("link", "y" * 100)
        (linked,) = old._sql("SELECT filename FROM Cache WHERE key = 'link'").fetchone()
    with sqlite3.connect(folder / "cache.db") as db:
        db.execute("UPDATE Cache SET filename = ? WHERE key = 'a'", (name,))
    (folder / linked).unlink()
    (folder / linked).symlink_to(tmp_path / "outside.val")
    found, told = taken(folder)
    assert found == {}
    assert sum(told.left_out.values()) == 2
    shards = (folder / linked).parent
    (folder / linked).unlink()
    shards.rmdir()
    shards.symlink_to(tmp_path)
    assert taken(folder)[0] == {}


def test_what_is_no_diskcache_is_refused(tmp_path: Path) -> None:
    with pytest.raises(WrongSetting, match=r"has no cache\.db"):
        taken(tmp_path)
    (tmp_path / "cache.db").write_bytes(b"x" * 5_000)
    with pytest.raises(Damaged, match="can't be read"):
        taken(tmp_path)
    (tmp_path / "cache.db").unlink()
    with sqlite3.connect(tmp_path / "cache.db") as db:
        db.execute("CREATE VIEW Cache AS SELECT load_extension('x') AS key")
    with pytest.raises(Damaged, match="has no table Cache"):
        taken(tmp_path)


def test_one_command_takes_a_folder_over(tmp_path: Path) -> None:
    with diskcache.Cache(str(tmp_path / "old")) as old:
        old.set("session:user:1", "abc", expire=3600)
        old.set("count", 7)
        old.set("pickled", (1, 2))
    url = f"file://{tmp_path / 'old'}"
    command = [sys.executable, "-m", "filewallball.storage"]
    done = subprocess.run(
        [*command, "import-diskcache", str(tmp_path / "old"), url],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines()[0] == "2 entries were copied."
    assert "1 were left out, since they are pickled" in done.stdout
    with Storage.from_url(url) as storage:
        assert storage.get("session:user:1") == "abc"
        assert storage.incr("count") == 8
        assert 3_500 < (storage.ttl("session:user:1") or 0) <= 3_600
    for wrong in (["import-diskcache", str(tmp_path / "none"), url], ["check", "ftp://x"]):
        done = subprocess.run([*command, *wrong], capture_output=True, text=True, check=False)
        assert (done.returncode, done.stdout) == (2, "")
        assert "Traceback" not in done.stderr
    done = subprocess.run([*command, "check", url], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (0, "OK\n")
    done = subprocess.run(
        [*command, "backup", url, str(tmp_path / "copies")], capture_output=True, text=True, check=False
    )
    with Storage.from_url(f"file://{done.stdout.strip()}") as copy:
        assert copy.get("count") == 8
