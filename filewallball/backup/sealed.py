"""A dump that was proven, encrypted before it leaves: in place of the plain one, which is removed."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Sequence

from filewallball.backup import age
from filewallball.backup.dump import Dumped
from filewallball.backup.packed import ENCRYPTED
from filewallball.backup.workdir import WorkDir, full

_CHUNK = 256 * 1024
"""Bytes that are read at a time."""


def sealed(dumped: Dumped, recipients: Sequence[str], work: WorkDir) -> Dumped:
    """The dump, encrypted for all recipients. Raises UserError if there is no room."""
    target = dumped.path.with_name(dumped.path.name + ENCRYPTED)
    digest, size = hashlib.sha256(), 0
    try:
        with dumped.path.open("rb") as plain, target.open("wb") as file:
            for piece in age.encrypted(iter(lambda: plain.read(_CHUNK), b""), recipients):
                work.check()
                digest.update(piece)
                size += len(piece)
                file.write(piece)
            file.flush()
            os.fsync(file.fileno())
    except OSError as error:
        raise full(work.path, str(error.strerror)) from error
    dumped.path.unlink()
    return Dumped(target, size, dumped.sql_bytes, digest.hexdigest())
