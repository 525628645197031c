"""What a user can cause without any code of ours noticing it: files, folders, disks, missing programs."""

from __future__ import annotations

import errno
import os
import subprocess
from typing import cast

from filewallball.errors import WORK_BEGUN, ConfigError, UserError

_NOT_YOURS = "Run this as the user who owns it (root, where it belongs to a sandbox), or name another one."
HINTS = {
    errno.EACCES: _NOT_YOURS,
    errno.EPERM: _NOT_YOURS,
    errno.ENOENT: "Check the path, or make what it names.",
    errno.ENOTDIR: "A file stands where a folder is needed: name another path.",
    errno.EISDIR: "A folder stands where a file is needed: name another path.",
    errno.EEXIST: "A file stands where a folder is to be made: name another path.",
    errno.ELOOP: "A symbolic link leads back to itself: correct it.",
    errno.ENAMETOOLONG: "Name a shorter path.",
    errno.EROFS: "This disk is read-only: name a folder on another one.",
    errno.ENOSPC: "Free some space on its disk, and run this again.",
    errno.EDQUOT: "Free some of your space on its disk, and run this again.",
    errno.EMFILE: "Allow more open files (`ulimit -n 4096`), and run this again.",
    errno.ENFILE: "Too many files are open on this machine: end some programs, and run this again.",
    errno.ENOMEM: "Free some memory, and run this again.",
}
NAMELESS = frozenset({errno.ENOSPC, errno.EDQUOT, errno.EMFILE, errno.ENFILE, errno.ENOMEM})
"""Errors that say enough without a file's name, which a failed write doesn't have."""


def explained(error: BaseException) -> UserError | None:
    """The message for an error that a user can mend; None for a fault of ours.

    A ConfigError (exit code 2) as long as nothing has been changed, else a UserError (1).
    """
    if isinstance(error, UserError):
        return error
    told = _told(error)
    if told is None:
        return None
    return UserError(*told) if WORK_BEGUN.is_set() else ConfigError(*told)


def _told(error: BaseException) -> tuple[str, str] | None:
    if isinstance(error, OSError):
        return _of_file(error)
    if isinstance(error, MemoryError):
        return "there is not enough memory", HINTS[errno.ENOMEM]
    if isinstance(error, UnicodeError):
        return f"a text is not UTF-8: {error}", "Save the files that you have named as UTF-8."
    if isinstance(error, subprocess.CalledProcessError):
        output = error.stderr or error.output or ""
        text = output.decode(errors="replace") if isinstance(output, bytes) else str(output)
        tail = "\n".join(text.strip().splitlines()[-8:])
        return f"`{_command(error.cmd)}` ended with {error.returncode}\n{tail}".strip(), "Mend what it says."
    if isinstance(error, subprocess.TimeoutExpired):
        return f"`{_command(error.cmd)}` did not end within {error.timeout:.0f} s", "Run this again."
    # pathlib has no exceptions of their own for these two
    if isinstance(error, RuntimeError) and "home directory" in str(error):
        return "your home folder is not known", "Set HOME to a folder that you may write to."
    if isinstance(error, RuntimeError) and "Symlink loop" in str(error):
        return str(error), HINTS[errno.ELOOP]
    return None


def _of_file(error: OSError) -> tuple[str, str] | None:
    number = error.errno or 0
    why = error.strerror or str(error)
    if error.filename is None:
        return (why, HINTS[number]) if number in NAMELESS else None
    name = error.filename2 or error.filename
    shown = os.fsdecode(name) if isinstance(name, str | bytes) else str(name)
    return f"cannot use {shown}: {why}", HINTS.get(number, "Check the path, or name another one.")


def _command(given: object) -> str:
    return " ".join(map(str, cast("list[object]", given))) if isinstance(given, list) else str(given)
