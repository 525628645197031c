"""`python -m filewallball.app serve | migrate | make-admin EMAIL`."""

from __future__ import annotations

import argparse
import gc
import os
import sys

from filewallball.app import logs, schema, settings
from filewallball.storage import errors


def main(arguments: list[str] | None = None) -> int:
    """0: done, 1: it ran and something is wrong, 2: wrong usage or settings."""
    parser = argparse.ArgumentParser(prog="python -m filewallball.app", description="The file wall.")
    commands = parser.add_subparsers(dest="command", required=True)
    commands.add_parser("serve", help="serve the site and the administrators' site until SIGTERM")
    commands.add_parser("migrate", help="bring the database's schema to this version")
    promote = commands.add_parser("make-admin", help="make a user an administrator: the way to the first one")
    promote.add_argument("email", metavar="EMAIL", help="the address with which the user has signed up")
    given = parser.parse_args(arguments)
    try:
        return _run(given)
    except (settings.WrongSetting, errors.WrongSetting) as error:
        print(error, file=sys.stderr)
        return 2
    except OSError as error:
        print(f"It could not be done: {error}.", file=sys.stderr)
        return 1


def _run(given: argparse.Namespace) -> int:
    """Each command imports what it needs alone: starts are quick."""
    if given.command == "serve":
        wanted = settings.from_environment(os.environ)
        logs.set_up(wanted.name, wanted.log_level)
        gc.disable()  # what is imported stays; serve() lets it collect again
        from filewallball.app import serve

        serve.serve(wanted)
        return 0
    database = settings.database(os.environ)
    if given.command == "migrate" and (enough := schema.look(database)):
        print(enough)
        return 0
    from filewallball.app import commands

    return (
        commands.bring_up_to_date(database)
        if given.command == "migrate"
        else commands.make_admin(database, given.email)
    )


if __name__ == "__main__":
    sys.exit(main())
