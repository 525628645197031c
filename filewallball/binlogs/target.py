"""The throw-away server into which a log is replayed: events go through `mariadb-binlog` into its client."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import IO, cast

from filewallball.backup.database import quote
from filewallball.binlogs.events import MAGIC, Gtid
from filewallball.errors import UserError

_CLIENT = ("--binary-mode", "--comments", "--default-character-set=utf8mb4", "--max-allowed-packet=1G")
_AGAIN = "Begin with a fresh copy of the backup: run the restore again."


class Target:
    """A server that holds a restored backup. `client`: the words that start `mariadb` as its root."""

    def __init__(self, client: Sequence[str]) -> None:
        self._client = list(client)

    def ask(self, sql: str) -> list[list[str]]:
        """The rows that a statement gives, as text. Raises UserError."""
        done = subprocess.run(
            [*self._client, "--batch", "--skip-column-names", "-e", sql],
            capture_output=True, encoding="utf-8", errors="replace", check=False, env=_environment(),
        )  # fmt: skip
        if done.returncode:
            raise UserError(f"The throw-away server failed: {done.stderr.strip()[-500:]}", _AGAIN)
        return [line.split("\t") for line in done.stdout.splitlines()]

    @contextmanager
    def replaying(self, format_event: bytes) -> Generator[Feed]:
        """Takes events until the block ends. An error in it ends the replay where it is. Raises UserError."""
        with TemporaryDirectory(prefix="fwb-replay-") as folder:
            feed = Feed(self, self._client, Path(folder))
            try:
                feed.write(MAGIC + format_event)
                yield feed
            finally:
                feed.close()


class Feed:
    """The pipe into the server. `commits`: how many COMMITs were written into it."""

    def __init__(self, target: Target, client: Sequence[str], folder: Path) -> None:
        self.commits = 0
        self._target = target
        self._folder = folder
        self._applied = _applied(target)
        self._now = dict(self._applied)
        self._before = self._committed()
        self._databases = {name for (name,) in target.ask("SHOW DATABASES")}
        self._made: list[str] = []
        with (folder / "reader").open("wb") as reader, (folder / "client").open("wb") as said:
            self._reader = subprocess.Popen(
                ["mariadb-binlog", "--no-defaults", "-"],
                stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=reader, env=_environment(folder),
            )  # fmt: skip
            self._server = subprocess.Popen(
                [*client, *_CLIENT],
                stdin=self._reader.stdout, stdout=subprocess.DEVNULL, stderr=said, env=_environment(folder),
            )  # fmt: skip
        # Only the client reads it from here on: should the client end, the reader has to notice.
        cast("IO[bytes]", self._reader.stdout).close()

    def seen(self, gtid: Gtid) -> None:
        """Note a transaction of the log. Raises UserError if the server has had it."""
        if self._applied.get(gtid.domain, (0, 0))[1] >= gtid.sequence:
            raise UserError(
                f"The transaction {gtid} was replayed into this server before: nothing is replayed twice.",
                _AGAIN,
            )
        self._now[gtid.domain] = (gtid.server, gtid.sequence)

    def know(self, databases: Iterable[str]) -> None:
        """Make the databases from which statements were given, empty, so that a session can use them."""
        for name in sorted(set(databases) - self._databases):
            self._target.ask(f"CREATE DATABASE {quote(name)}")
            self._databases.add(name)
            self._made.append(name)

    def write(self, data: bytes) -> None:
        """Hand over bytes of the log. Raises UserError if the server refused something."""
        try:
            cast("IO[bytes]", self._reader.stdin).write(data)
        except BrokenPipeError:
            raise self._failed() from None

    def finish(self) -> None:
        """Wait until all is done. Raises UserError unless the server has committed all that was written."""
        try:
            cast("IO[bytes]", self._reader.stdin).close()
        except BrokenPipeError:
            raise self._failed() from None
        if self._reader.wait() or self._server.wait():
            raise self._failed()
        done = self._committed() - self._before
        if done != self.commits:
            raise UserError(
                f"The server has committed {done} transactions, and the log has {self.commits}.", _AGAIN
            )
        for name in self._made:
            self._target.ask(f"DROP DATABASE IF EXISTS {quote(name)}")
        if self._now:
            ids = ",".join(f"{domain}-{server}-{number}" for domain, (server, number) in self._now.items())
            self._target.ask(f"SET GLOBAL gtid_slave_pos = '{ids}'")

    def close(self) -> None:
        """End both programs, whatever they are doing."""
        for process in (self._reader, self._server):
            process.kill()
        with suppress(OSError):  # now: what is still to be written would wait for the server
            cast("IO[bytes]", self._reader.stdin).close()
        for process in (self._reader, self._server):
            process.wait()

    def _committed(self) -> int:
        ((_, number),) = self._target.ask("SHOW GLOBAL STATUS LIKE 'Com_commit'")
        return int(number)

    def _failed(self) -> UserError:
        self._server.wait()
        self._reader.wait()
        said = [(self._folder / name).read_text("utf-8", "replace").strip() for name in ("client", "reader")]
        return UserError(
            f"Replaying the binary log failed: {' '.join(filter(None, said))[-1500:] or 'without a message'}",
            "That moment can't be restored from this backup. Choose one before it, or after the next backup.",
        )


def _applied(target: Target) -> dict[int, tuple[int, int]]:
    """By domain: the server and number of the last transaction that was replayed into the server."""
    ((text,),) = target.ask("SELECT @@global.gtid_slave_pos")
    ids = [tuple(map(int, each.split("-"))) for each in text.split(",") if each]
    return {domain: (server, number) for domain, server, number in ids}


def _environment(folder: Path | None = None) -> dict[str, str]:
    place = str(folder) if folder else os.environ.get("HOME", "/")
    return {"PATH": os.environ.get("PATH", os.defpath), "HOME": place, "TMPDIR": place, "LC_ALL": "C"}
