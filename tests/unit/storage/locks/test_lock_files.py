"""The files of locks: what is removed when, what a broken one does, and that tokens only grow."""

from __future__ import annotations

import os
import select
import shutil
import signal
import stat
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from lock_holders import LONG, child, holds, started, waiting

from filewallball.storage.errors import Damaged, NotAcquired, NotHeld, Unavailable, WrongSetting, WrongValue
from filewallball.storage.locks import ears, lockfile, on_disk, tokens, turns
from filewallball.storage.locks.on_disk import DiskLocks


def test_cleanup_removes_what_nobody_needs(locks: DiskLocks, folder: Path) -> None:
    with child(holds(folder, "dead")):
        pass
    late = locks.acquire("late", 0.001)
    kept = locks.acquire("kept", LONG)
    free = locks.acquire("free", LONG)
    free.release()
    time.sleep(0.01)
    assert locks.held() == ["kept"]
    assert locks.cleanup() == 2
    assert len(list((folder / "names").glob("*/*"))) == 1
    assert len(list((folder / "members").iterdir())) == 1
    assert locks.cleanup() == 0
    # the files that were open are found to be gone, and tokens still grow
    assert locks.acquire("free", LONG, 0).token > free.token
    assert locks.acquire("late", LONG, 0).token > late.token
    with pytest.raises(NotHeld):
        late.release()
    kept.release()


def test_cleanup_hands_on_what_ran_out(locks: DiskLocks, monkeypatch: pytest.MonkeyPatch) -> None:
    late = locks.acquire("a", LONG)
    got: list[int] = []
    monkeypatch.setattr(ears.Ear, "listen", lambda self, *_: select.select([self.fd], [], [], 20))
    thread = started(lambda: got.append(locks.acquire("a", LONG, 30).token))
    waiting(locks, "a", 1)
    later = turns.now() + int(LONG * 1e9)
    monkeypatch.setattr(turns, "now", lambda: later)
    assert locks.cleanup() == 1
    thread.join()
    assert got == [late.token + 1]


def test_what_somebody_removed_is_made_anew_and_tokens_grow(locks: DiskLocks, folder: Path) -> None:
    first = locks.acquire("a", LONG).token
    [path] = (folder / "names").glob("*/*")
    path.unlink()
    second = locks.acquire("a", LONG, 0).token
    shutil.rmtree(folder)
    third = locks.acquire("a", LONG, 0).token
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    shutil.rmtree(folder)
    assert first < second < third < DiskLocks(folder).acquire("a", LONG, 0).token


def test_pipes_that_somebody_removed_are_made_anew(locks: DiskLocks, folder: Path) -> None:
    held = locks.acquire("a", LONG)
    shutil.rmtree(folder / "members")
    with pytest.raises(NotAcquired):  # nobody can tell whether the holder lives: its time counts
        DiskLocks(folder).acquire("a", LONG, 0.01)
    got: list[int] = []
    thread = started(lambda: got.append(DiskLocks(folder).acquire("a", LONG, 30).token))
    waiting(locks, "a", 1)
    held.release()
    thread.join()
    assert got
    shutil.rmtree(folder)
    assert ears.Ears(folder / "members").own
    assert locks.cleanup() == 0
    assert locks.acquire("a", LONG, 0).token > got[0]
    (folder / "members").rename(folder / "other")
    (folder / "members").write_text("a file")
    with pytest.raises(Unavailable, match="No named pipe can be made in"):
        ears.Ears(folder / "members").own  # noqa: B018


def test_a_restart_of_the_machine_frees_all_and_tokens_jump(
    locks: DiskLocks, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = locks.acquire("a", LONG).token
    ceiling = locks._tokens._bounds.ceiling
    monkeypatch.setattr(time, "time_ns", lambda: 0)
    monkeypatch.setattr(tokens, "boot", lambda: b"another start...")
    monkeypatch.setattr(turns, "boot", lambda: b"another start...")
    [path] = (folder / "names").glob("*/*")
    path.write_bytes(b"\0" * 4096)  # what a power cut may leave of it
    after = DiskLocks(folder)
    assert after.held() == []
    assert after.acquire("a", LONG, 0).token == ceiling + 1 > token
    assert after.acquire("never seen", LONG, 0).token == ceiling + 1


def test_a_second_machine_is_told(locks: DiskLocks, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with monkeypatch.context() as patch:
        for module in (tokens, turns):
            patch.setattr(module, "boot", lambda: b"another machine.")
        DiskLocks(folder).acquire("a", LONG)
    for name in ("a", "b"):
        with pytest.raises(WrongSetting, match="is used by two machines"):
            locks.acquire(name, LONG, 0)


def test_tokens_stay_below_what_is_on_the_disk(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tokens, "STEP", 3)
    locks, other = DiskLocks(folder), DiskLocks(folder)
    for each in (locks, other) * 5:
        held = each.acquire("a", LONG, 0)
        held.release()
        found = tokens.Tokens(folder)._bounds
        assert found.floor < held.token < found.ceiling


def test_the_folder_is_the_users_alone(folder: Path) -> None:
    folder.mkdir(mode=0o755)
    locks = DiskLocks(folder)
    locks.acquire("a", LONG)
    for each in (folder, *folder.rglob("*")):
        mode = stat.S_IMODE(each.stat().st_mode)
        assert mode == (0o700 if each.is_dir() else 0o600), each


def test_what_cannot_be_right_is_refused(locks: DiskLocks, folder: Path, tmp_path: Path) -> None:
    for ttl in (0, -1, float("nan"), float("inf")):
        with pytest.raises(WrongSetting, match=r"Use a number of seconds above 0\."):
            locks.acquire("a", ttl)
    with pytest.raises(WrongValue, match="at most 2048"):
        locks.acquire("a" * 2049, LONG)
    file = tmp_path / "file"
    file.touch()
    with pytest.raises(Unavailable, match="Use a folder that can be written"):
        DiskLocks(file)
    (folder / "tokens").write_text('{"version": 2}')
    with pytest.raises(Damaged, match="another version"):
        DiskLocks(folder)
    (folder / "tokens").write_text("{")
    with pytest.raises(Damaged, match="can't be read"):
        DiskLocks(folder)


def test_another_users_folder_is_refused(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: 12345)
    with pytest.raises(WrongSetting, match="belongs to another user"):
        DiskLocks(folder)


def test_a_file_of_another_kind_is_told(locks: DiskLocks, folder: Path) -> None:
    locks.acquire("a", LONG).release()
    [path] = (folder / "names").glob("*/*")
    path.write_bytes(b"something else" * 100)
    with pytest.raises(Damaged, match="is no lock of this version"):
        locks.acquire("a", LONG)


def test_a_process_stopped_in_the_middle_is_told(locks: DiskLocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lockfile, "PATIENCE_SECONDS", 0.01)
    locks.acquire("a", LONG).release()

    def work(ready: Callable[[], None]) -> None:
        locks._open("a").alone(lambda: (ready(), signal.pause()))

    with child(work), pytest.raises(Unavailable, match="Let that process go on, or end it"):
        locks.acquire("a", LONG)
    locks.acquire("a", LONG, 0)


def test_no_pipes_no_locks(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: Any) -> None:
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(os, "mkfifo", refuse)
    with pytest.raises(Unavailable, match="local file system"):
        DiskLocks(folder).acquire("a", LONG)


def test_names_are_any_text_and_many(locks: DiskLocks, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(on_disk, "_OPEN", 2)
    names = ["", "../../x", "a/b", "파일", "\udc80", "n" * 2048]
    held = [locks.acquire(name, LONG, 0) for name in names]
    assert sorted(locks.held()) == sorted(names)
    for name in names:
        with pytest.raises(NotAcquired):
            locks.acquire(name, LONG, 0)
    for each in held:
        each.release()
    assert locks.held() == []


def test_close_frees_and_leaves_no_pipe_behind(locks: DiskLocks, folder: Path) -> None:
    locks.acquire("a", LONG).release()
    locks.close()
    assert list((folder / "members").iterdir()) == []
    holding = DiskLocks(folder)
    holding.acquire("a", LONG)
    holding.close()
    assert DiskLocks(folder).acquire("a", LONG, 0).token


def test_death_at_any_write_breaks_nothing(locks: DiskLocks, folder: Path) -> None:
    """A process ends before its n-th write, while others wait: nobody is left waiting, and tokens grow."""
    last = 0
    for number in range(12):
        held = locks.acquire("a", LONG, 30)
        assert held.token > last
        if (pid := os.fork()) == 0:
            die_at_write(number)
            theirs = DiskLocks(folder)
            for _ in range(3):
                theirs.acquire("a", LONG).release()
            os._exit(0)
        stands = number > 1  # in the queue: two writes
        waiting(locks, "a", 1) if stands else os.waitpid(pid, 0)
        got: list[int] = []
        thread = started(lambda found=got: found.append(taken(locks)))
        held.release()
        thread.join()
        if stands:
            os.waitpid(pid, 0)
        [last] = got


def taken(locks: DiskLocks) -> int:
    held = locks.acquire("a", LONG, 30)
    held.release()
    return held.token


def die_at_write(number: int) -> None:
    """From now on, in this process."""
    write, left = os.pwrite, iter(range(number))

    def counted(*arguments: Any) -> int:
        if next(left, None) is None:
            os._exit(9)
        return write(*arguments)

    os.pwrite = counted


def test_a_full_disk_is_told(locks: DiskLocks, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "pwrite", full)
        with pytest.raises(Unavailable, match=r"can't be written: No space left on device\. Make room"):
            locks.acquire("a", LONG)
    with monkeypatch.context() as patch:
        patch.setattr(os, "fsync", full)
        patch.setattr(tokens, "_microseconds", lambda: 2**60)
        with pytest.raises(Unavailable, match=r"can't be written: No space left on device\. Make room"):
            locks.acquire("b", LONG)
    locks.acquire("a", LONG, 0)
    locks.acquire("b", LONG, 0)


def test_without_file_descriptors_nobody_is_taken_for_dead(
    locks: DiskLocks, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = DiskLocks(folder)
    held = locks.acquire("a", LONG)
    opened = os.open

    def refuse(path: Any, *arguments: Any) -> int:
        if "members" in str(path):
            raise OSError(24, "Too many open files")
        return opened(path, *arguments)

    got: list[int] = []
    thread = started(lambda: got.append(other.acquire("a", LONG, 30).token))
    waiting(locks, "a", 1)
    with monkeypatch.context() as patch:
        patch.setattr(os, "open", refuse)
        with pytest.raises(NotAcquired):
            locks.acquire("a", LONG, 0)
        held.release()
    thread.join()
    assert got
