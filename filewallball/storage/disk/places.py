"""The folder of a store: made, looked at before anything in it is trusted, and locked while it is opened."""

from __future__ import annotations

import errno
import fcntl
import os
import stat
from collections.abc import Generator
from contextlib import contextmanager, suppress
from pathlib import Path

from filewallball.storage.errors import Damaged, StorageError, Unavailable, WrongSetting

FORMAT = 1
"""Of the files. A store with a higher one was written by a newer version of this library."""
_HEADER = "filewallball storage"
SYNCED = "synced"
"""Stands for the name of a boot, once everything is on the disk."""
_NETWORK = ("nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "ceph", "glusterfs", "lustre", "afs", "fuse.sshfs")
_MOUNTS = Path("/proc/self/mountinfo")

DATA = "data.mdb"
FILES = (DATA, "lock.mdb", "format", "boot", "opening", "in-use", "damaged.mdb")


def prepared(folder: Path) -> Path:
    """The folder `store` within, for us alone; made if it isn't there. Raises WrongSetting, Unavailable."""
    store = folder / "store"
    try:
        if not folder.is_dir():
            folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        with suppress(FileExistsError):
            store.mkdir(mode=0o700)
        found = store.lstat()
        if not stat.S_ISDIR(found.st_mode):
            raise WrongSetting(
                f"{store} is not a folder, perhaps a link. Remove it, or choose another folder."
            )
        if found.st_uid != os.geteuid():
            raise WrongSetting(f"{store} belongs to another user. Choose a folder of your own.")
        if found.st_mode & 0o077:
            store.chmod(0o700)
    except OSError as error:
        raise refused(error, folder) from error
    return store


def refused(error: OSError, folder: Path) -> StorageError:
    """What the system said, in our words."""
    if error.errno in (errno.ENOSPC, errno.EDQUOT, errno.EFBIG):
        return full(folder)
    if error.errno == errno.EROFS:
        return WrongSetting(
            f"{folder} is on a disk that can only be read. Choose a folder that can be written."
        )
    if error.errno in (errno.EACCES, errno.EPERM):
        return WrongSetting(
            f"{folder} can't be written by this user. Choose another folder, or change its owner."
        )
    if error.errno in (errno.ENOTDIR, errno.EEXIST):
        return WrongSetting(f"{folder} is not a folder. Choose another one.")
    return Unavailable(f"{folder} can't be used: {error.strerror}. Look at the disk.")


def full(folder: Path) -> StorageError:
    return Unavailable(f"The disk of {folder} is full, so nothing was written. Free some space on it.")


def opened(path: Path) -> int:
    """A file of ours, made if it isn't there; never through a link."""
    return os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)


@contextmanager
def opening(store: Path) -> Generator[None]:
    """One process at a time opens, closes or mends the store."""
    handle = opened(store / "opening")
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def alone(handle: int) -> bool:
    """Whether nobody else has the store open. `handle`: ours of the file `in-use`."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError:
        share(handle)
        return False
    return True


def share(handle: int) -> None:
    """Say that the store is in use, as others may at the same time."""
    fcntl.flock(handle, fcntl.LOCK_SH)


def examine(store: Path) -> None:
    """Raises Damaged or WrongSetting if the files are not as this version of the library leaves them."""
    for name in FILES:
        try:
            found = (store / name).lstat()
        except FileNotFoundError:
            continue
        if not stat.S_ISREG(found.st_mode) or found.st_nlink != 1 or found.st_uid != os.geteuid():
            raise Damaged(
                f"{store / name} is not a plain file of this user's: somebody put something else in its "
                "place. Find out who did, and remove it."
            )
        if found.st_mode & 0o177:
            (store / name).chmod(0o600)
    said = read(store / "format")
    if not said:
        if (store / DATA).exists():
            raise Damaged(f"{store} has data, but no file that tells its format. Remove the folder.")
        write(store / "format", header())
        return
    name, _, number = said.strip().rpartition(" ")
    if name != _HEADER or not number.isascii() or not number.isdigit():
        raise Damaged(f"{store / 'format'} is not a format of this library. Remove the folder {store}.")
    if int(number) > FORMAT:
        raise WrongSetting(
            f"{store} was written by a newer version of this library (format {int(number)}; this one knows "
            f"format {FORMAT}). Install the newer version, or choose another folder."
        )


def header() -> str:
    """What the file `format` says."""
    return f"{_HEADER} {FORMAT}\n"


def read(path: Path) -> str:
    """A small text; empty if it isn't there."""
    try:
        handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC | os.O_NOFOLLOW)
    except FileNotFoundError:
        return ""
    try:
        return os.read(handle, 200).decode("utf-8", "replace")
    finally:
        os.close(handle)


def write(path: Path, text: str) -> None:
    """All of it, or what was there before."""
    new = path.with_name(path.name + ".new")
    with suppress(FileNotFoundError):
        new.unlink()
    handle = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC | os.O_NOFOLLOW, 0o600)
    try:
        os.write(handle, text.encode())
        os.fsync(handle)
    finally:
        os.close(handle)
    new.replace(path)


def file_system(folder: Path, mounts: Path = _MOUNTS) -> str:
    """The kind of file system that a folder is on; empty where the system doesn't tell."""
    try:
        lines = mounts.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return ""
    place = folder.resolve()
    best, kind = -1, ""
    for line in lines:
        before, _, after = line.partition(" - ")
        point = Path(before.split(" ")[4].replace("\\040", " "))
        if place.is_relative_to(point) and len(point.parts) >= best:
            best, kind = len(point.parts), after.split(" ")[0]
    return kind


def is_network(kind: str) -> bool:
    return kind in _NETWORK
