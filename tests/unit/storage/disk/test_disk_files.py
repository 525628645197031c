"""The folder of the store: who may read it, what is refused, and what is said of the disk below it."""

from __future__ import annotations

import os
import resource
import stat
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from filewallball.storage.disk import DiskBackend, clock, engine, places
from filewallball.storage.errors import Damaged, StorageError, WrongSetting


def test_only_the_user_may_read_it(tmp_path: Path) -> None:
    old = os.umask(0)
    try:
        disk = DiskBackend(tmp_path / "a" / "cache")
        disk.set(b"a", b"1")
        copy = disk.backup(tmp_path / "copies")
    finally:
        os.umask(old)
    for top in (tmp_path / "a" / "cache", copy):
        for path in (top, *top.rglob("*")):
            assert stat.S_IMODE(path.stat().st_mode) == (0o700 if path.is_dir() else 0o600), path
    disk.close()


def test_a_folder_that_others_may_read_is_closed_to_them(tmp_path: Path) -> None:
    disk = DiskBackend(tmp_path)
    disk.close()
    store = tmp_path / "store"
    store.chmod(0o755)
    (store / "data.mdb").chmod(0o644)
    DiskBackend(tmp_path).close()
    assert stat.S_IMODE(store.stat().st_mode) == 0o700
    assert stat.S_IMODE((store / "data.mdb").stat().st_mode) == 0o600


@pytest.mark.parametrize("name", ["data.mdb", "lock.mdb", "format", "boot", "opening", "in-use"])
@pytest.mark.parametrize("kind", ["link", "hard link", "folder"])
def test_nothing_in_the_folder_leads_out_of_it(tmp_path: Path, name: str, kind: str) -> None:
    DiskBackend(tmp_path / "cache").close()
    outside = tmp_path / "outside"
    place = tmp_path / "cache" / "store" / name
    if place.exists():
        place.rename(outside)
    else:
        outside.write_bytes(b"")
    held = outside.read_bytes()
    if kind == "link":
        place.symlink_to(outside)
    elif kind == "hard link":
        place.hardlink_to(outside)
    else:
        place.mkdir()
    with pytest.raises(StorageError):
        DiskBackend(tmp_path / "cache")
    assert outside.read_bytes() == held


def test_a_folder_that_is_a_link_or_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "cache").mkdir()
    (tmp_path / "cache" / "store").symlink_to(tmp_path / "elsewhere")
    with pytest.raises(WrongSetting, match="not a folder, perhaps a link"):
        DiskBackend(tmp_path / "cache")
    assert not any((tmp_path / "elsewhere").iterdir())
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "below"):
        with pytest.raises(WrongSetting, match="is not a folder"):
            DiskBackend(path)


def test_a_newer_format_is_refused_and_left_alone(tmp_path: Path) -> None:
    DiskBackend(tmp_path).close()
    told = tmp_path / "store" / "format"
    told.write_text("filewallball storage 2\n")
    before = (tmp_path / "store" / "data.mdb").read_bytes()
    with pytest.raises(WrongSetting, match=r"newer version of this library \(format 2; .* format 1\)"):
        DiskBackend(tmp_path)
    assert (tmp_path / "store" / "data.mdb").read_bytes() == before
    for wrong in ("filewallball storage ²", "filewallball storage", "other 1", "\x00"):
        told.write_text(wrong)
        with pytest.raises(Damaged, match="not a format of this library"):
            DiskBackend(tmp_path)
    told.unlink()
    with pytest.raises(Damaged, match="no file that tells its format"):
        DiskBackend(tmp_path)


def test_a_full_disk_loses_nothing(tmp_path: Path) -> None:
    """The limit of a file's size stands for the end of the disk."""
    disk = DiskBackend(tmp_path)
    disk.set(b"before", b"1")
    disk.close()
    code = f"""
import signal
from filewallball.storage.disk import DiskBackend
from filewallball.storage.errors import Unavailable
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
disk = DiskBackend({str(tmp_path)!r})
written = 0
try:
    for number in range(5_000):
        disk.set(b"%d" % number, bytes(1024))
        written += 1
except Unavailable as error:
    assert "is full, so nothing was written. Free some space" in str(error), error
    assert disk.get(b"before") == b"1"
    print(written)
"""
    limit = 1 << 20

    def bounded() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))

    done = subprocess.run(
        [sys.executable, "-c", code], preexec_fn=bounded, capture_output=True, text=True, check=False
    )
    written = int(done.stdout or done.stderr)
    assert 0 < written < 5_000
    disk = DiskBackend(tmp_path)
    assert disk.check(fix=False) == []
    assert sorted(disk.keys(b"")) == sorted([b"before", *(b"%d" % number for number in range(written))])
    disk.set(b"after", b"1")
    disk.close()


def test_a_disk_that_can_only_be_read_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object, **__: object) -> None:
        raise OSError(30, "Read-only file system")

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(WrongSetting, match=r"can only be read\. Choose a folder that can be written"):
        DiskBackend(tmp_path / "cache")


MOUNTS = """\
22 1 0:20 / / rw - ext4 /dev/vda rw
30 22 0:30 / /mnt/my\\040share rw,relatime - nfs4 server:/share rw
31 30 0:31 / /mnt/my\\040share/disk rw - xfs /dev/vdb rw
"""


def test_a_network_file_system_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    mounts = tmp_path / "mountinfo"
    mounts.write_text(MOUNTS)
    kinds = {"/mnt/my share/a": "nfs4", "/mnt/my share/disk/a": "xfs", "/mnt/my": "ext4"}
    for path, kind in kinds.items():
        assert places.file_system(Path(path), mounts) == kind
    assert places.file_system(tmp_path, tmp_path / "none") == ""
    monkeypatch.setattr(places, "file_system", lambda _: "nfs4")
    with pytest.warns(RuntimeWarning, match="network file system"):
        disk = DiskBackend(tmp_path / "cache")
    assert disk.facts()["file_system"] == "nfs4"
    assert any("network file system" in line for line in disk.check(fix=False))
    disk.close()


def test_the_clock_goes_on_evenly_within_a_boot_and_never_back_after_one() -> None:
    difference, kept = clock.started(None, "one", wall=1_000.0, uptime=10.0)
    assert difference == 990
    assert clock.started(kept, "one", wall=5.0, uptime=20.0) == (990, kept)
    assert clock.started(kept, "one", wall=9_999.0, uptime=20.0) == (990, kept)
    kept = clock.noted("one", difference, 1_500.0)
    assert clock.started(kept, "two", wall=5.0, uptime=0.0)[0] == 1_500
    assert clock.started(kept, "two", wall=2_000.0, uptime=0.0)[0] == 2_000


def test_a_clock_set_back_or_forward_changes_no_time_to_live(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    disk = DiskBackend(tmp_path)
    disk.set(b"a", b"1", 100)
    disk.close()
    for wall in (0.0, 4e9):
        monkeypatch.setattr(engine.time, "time", lambda wall=wall: wall)
        disk = DiskBackend(tmp_path)
        assert 99 < (disk.ttl(b"a") or 0) <= 100
        disk.close()


def test_two_backends_of_one_process_share_a_store(tmp_path: Path) -> None:
    one, two = DiskBackend(tmp_path), DiskBackend(str(tmp_path))
    one.set(b"a", b"1")
    assert two.get(b"a") == b"1"
    one.close()
    two.set(b"a", b"2")
    two.close()
    with closing(DiskBackend(tmp_path)) as three:
        assert three.get(b"a") == b"2"
        with pytest.raises(WrongSetting, match="another `durable`"):
            DiskBackend(tmp_path, durable=True)
    with closing(DiskBackend(tmp_path, durable=True)) as four:
        four.set(b"a", b"3")
        assert four.facts()["durable"] is True
