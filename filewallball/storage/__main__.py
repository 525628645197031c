"""`python -m filewallball.storage`: the commands of a storage, for an install without the toolkit.

import-diskcache FOLDER URL    copy the entries of a diskcache's folder
check URL [--fix]              tell what is wrong with a storage, and mend it
backup URL FOLDER              copy a storage on a disk while it is used
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from filewallball.storage.commands import backup, check, import_diskcache
from filewallball.storage.errors import StorageError, WrongSetting


def main() -> int:
    """Run a command; the exit code: 0 done, 1 something is wrong, 2 wrong usage."""
    parser = argparse.ArgumentParser(prog="python -m filewallball.storage")
    commands = parser.add_subparsers(dest="command", required=True)
    importing = commands.add_parser("import-diskcache", help="copy the entries of a diskcache's folder")
    importing.add_argument("folder", type=Path, help="the folder that has cache.db")
    checking = commands.add_parser("check", help="tell what is wrong with a storage")
    checking.add_argument("--fix", action="store_true", help="mend it where that is possible")
    copying = commands.add_parser("backup", help="copy a storage on a disk while it is used")
    for each in (importing, checking, copying):
        each.add_argument("url", help="the storage, such as file:///var/cache/app")
    copying.add_argument("folder", type=Path, help="the copy becomes a new folder in it")
    given = parser.parse_args()
    try:
        if given.command == "import-diskcache":
            return import_diskcache(given.folder, given.url)
        if given.command == "check":
            return check(given.url, fix=given.fix)
        return backup(given.url, given.folder)
    except StorageError as error:
        print(error, file=sys.stderr)
        return 2 if isinstance(error, WrongSetting) else 1


if __name__ == "__main__":
    sys.exit(main())
