"""`fwb passwords`: what was asked for, in the stack's cluster, told step by step."""

from __future__ import annotations

import contextlib
import re
import signal
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from rich.console import Console

from filewallball import stack
from filewallball.engine.ownership.record import record_name
from filewallball.errors import ConfigError
from filewallball.passwords.change import Change
from filewallball.passwords.cluster import Cluster
from filewallball.passwords.servers import select
from filewallball.project import load_project

UNITS = {"": 1, "s": 1, "m": 60, "h": 3600}
LONGEST = timedelta(days=7)


def rotate(project: Path, stack_name: str, server: str, grace: str) -> None:
    """New passwords for a server's users, for all servers' without a name. Raises ConfigError, UserError."""
    seconds = duration(grace)
    with _change(project, stack_name, server) as change:
        change.rotate(seconds)


def finish(project: Path, stack_name: str, server: str) -> None:
    """Refuse the old passwords now. Raises ConfigError, UserError."""
    with _change(project, stack_name, server) as change:
        change.finish()


def undo(project: Path, stack_name: str, server: str, grace: str) -> None:
    """Go back to the old passwords, as long as they are accepted. Raises ConfigError, UserError."""
    seconds = duration(grace)
    with _change(project, stack_name, server) as change:
        change.undo(seconds)


def duration(text: str) -> timedelta:
    """Of `10m`, `90s`, `2h` or `0`. Raises ConfigError."""
    found = re.fullmatch(r"([0-9]{1,6})(s|m|h|)", text)
    told = timedelta(seconds=int(found[1]) * UNITS[found[2]]) if found else LONGEST * 2
    if told <= LONGEST and (text == "0" or not text.isdigit()):
        return told
    raise ConfigError(
        f"--grace {text!r} is no time of at most 7 days",
        "Write a whole number with s, m or h behind it, such as 10m.",
    )


@contextmanager
def _change(project: Path, stack_name: str, server: str) -> Generator[Change]:
    chosen = select(server)
    place = stack.find(project, stack_name)
    again = f"{stack_name} {server}".strip()
    lock = record_name(load_project(project).name, stack_name)
    with _telling() as (say, wait), _ended_in_order(again):
        yield Change(Cluster(place, lock, say, wait), chosen, say, again)


@contextmanager
def _telling() -> Generator[tuple[Callable[[str], None], Callable[[float, str], None]]]:
    """Lines that stay, and on a terminal one that tells what is waited for."""
    console = Console(stderr=True)
    status = console.status("asking the cluster") if console.is_terminal else None

    def say(text: str) -> None:
        print(text, flush=True)

    def wait(seconds: float, what: str) -> None:
        if status:
            status.update(what)
        time.sleep(seconds)

    with status or contextlib.nullcontext():
        yield say, wait


@contextmanager
def _ended_in_order(again: str) -> Generator[None]:
    """SIGTERM ends it as Ctrl-C does: at whatever step, both passwords are accepted."""

    def interrupt(_signal: int, _frame: object) -> None:
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGTERM, interrupt)
    try:
        yield
    except KeyboardInterrupt:
        print(
            f"Stopped. Nobody is refused. `fwb passwords rotate {again}` goes on from here; `fwb passwords"
            f" undo {again}` takes back what has not been finished.",
            flush=True,
        )
        raise
    finally:
        signal.signal(signal.SIGTERM, before)
