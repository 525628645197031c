"""A copy of a store, taken while it is used."""

from __future__ import annotations

import os
import shutil
import tempfile
import time
from pathlib import Path

import lmdb

from filewallball.storage.disk import engine, places
from filewallball.storage.errors import StorageError, WrongSetting


def backup(opened: engine.Opened, source: Path, folder: Path) -> Path:
    """A new folder below `folder`, with all that was there at one moment. Raises StorageError."""
    if folder.resolve().is_relative_to(opened.store.resolve()):
        raise WrongSetting(f"{folder} is within the store. Choose another folder for the backup.")
    try:
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = Path(tempfile.mkdtemp(prefix=".part-", dir=folder))
    except OSError as error:
        raise places.refused(error, folder) from error
    try:
        store = part / "store"
        store.mkdir(mode=0o700)
        # The copy holds on to all pages, so a writer meanwhile would make the store grow.
        with opened.writing, opened.env.begin(write=True):
            opened.env.copy(str(store), compact=True)
        (store / places.DATA).chmod(0o600)
        places.write(store / "format", places.header())
        places.write(store / "boot", engine.seal(store / places.DATA))
        for path in (store / places.DATA, store, part):
            _sync(path)
        return _named(part, folder)
    except OSError as error:
        raise places.refused(error, folder) from error
    except lmdb.Error as error:
        raise _told(error, source, folder) from error
    finally:
        shutil.rmtree(part, ignore_errors=True)


def _named(part: Path, folder: Path) -> Path:
    """Give it a name that no other backup has."""
    name = time.strftime("backup-%Y%m%dT%H%M%SZ", time.gmtime())
    number = 1
    while True:
        place = folder / (name if number == 1 else f"{name}-{number}")
        try:
            part.rename(place)
        except OSError:
            if not place.exists():
                raise
            number += 1
            continue
        _sync(folder)
        return place


def _sync(path: Path) -> None:
    handle = os.open(path, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _told(error: lmdb.Error, source: Path, folder: Path) -> StorageError:
    """A full disk is the copy's, anything else the store's."""
    found = engine.told(error, folder)
    return found if str(found) == str(places.full(folder)) else engine.told(error, source)
