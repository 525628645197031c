"""What a user can cause without any code of ours noticing it: files, folders, disks, missing programs."""

from __future__ import annotations

import errno
import os
import subprocess
from typing import cast

from filewallball.errors import WORK_BEGUN, ConfigError, UserError

_NOT_YOURS = "Run the command as the user who owns it (root, for a sandbox's), or name another path."
HINTS = {
    errno.EACCES: _NOT_YOURS,
    errno.EPERM: _NOT_YOURS,
    errno.ENOENT: "Correct the path, or make what it names.",
    errno.ENOTDIR: "There is a file where a folder is needed. Name another path.",
    errno.EISDIR: "There is a folder where a file is needed. Name another path.",
    errno.EEXIST: "There is a file where a folder would be made. Name another path.",
    errno.ELOOP: "A symbolic link leads back to itself. Correct it.",
    errno.ENAMETOOLONG: "Name a shorter path.",
    errno.EROFS: "This disk is read-only. Name a folder on another disk.",
    errno.ENOSPC: "Make room on its disk, and run the command again.",
    errno.EDQUOT: "You may not use more of its disk. Delete some of your files there, and run it again.",
    errno.EMFILE: "Allow more open files (`ulimit -n 4096`), and run the command again.",
    errno.ENFILE: "Too many files are open on this machine. End some programs, and run the command again.",
    errno.ENOMEM: "End some programs, and run the command again.",
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
        return "There is not enough memory", HINTS[errno.ENOMEM]
    if isinstance(error, UnicodeError):
        return f"A text is not UTF-8: {error}", "Save the files that you have named as UTF-8."
    if isinstance(error, subprocess.CalledProcessError):
        output = error.stderr or error.output or ""
        text = output.decode(errors="replace") if isinstance(output, bytes) else str(output)
        tail = "\n".join(text.strip().splitlines()[-8:])
        return (
            f"`{_command(error.cmd)}` ended with {error.returncode}\n{tail}".strip(),
            "Correct what it says, and run the command again.",
        )
    if isinstance(error, subprocess.TimeoutExpired):
        return f"`{_command(error.cmd)}` did not end within {error.timeout:.0f} s", "Run the command again."
    # pathlib has no exceptions of their own for these two
    if isinstance(error, RuntimeError) and "home directory" in str(error):
        return "Your home folder is not known", "Set HOME to a folder that you may write to."
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
    return f"Cannot use {shown}: {why}", HINTS.get(number, "Correct the path, or name another one.")


def _command(given: object) -> str:
    return " ".join(map(str, cast("list[object]", given))) if isinstance(given, list) else str(given)
