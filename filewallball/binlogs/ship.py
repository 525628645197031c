"""The shipper: copies the server's binary log into the store, piece by piece, and bridges no gap silently.

Each connection begins at the last event that the store has, and that event must come again, byte for byte,
from a file that the server began at the same second. If it doesn't, the log is another one, whatever its
files are called: a new timeline begins.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from pathlib import Path

from facts.binlogs import READY
from filewallball.backup.store import AlreadyThere, Store
from filewallball.binlogs import catalogue, names
from filewallball.binlogs.begin import Begin
from filewallball.binlogs.content import PIECE, Writer, sealed
from filewallball.binlogs.events import FIRST, Event, LogError, digest_of
from filewallball.binlogs.names import LogFile, Mark, Piece, Place
from filewallball.binlogs.server import Feed, LogGone, Seen, Server
from filewallball.errors import UserError


class Broken(UserError):
    """The server's log doesn't go on where the store's ends. The message says why."""


@dataclass(frozen=True)
class _Shipped:
    """How far the store has the log: `end` of `file`. `tail`: where its last event stands, with its digest.

    `whole`: the store has the last piece of the file.
    """

    file: LogFile
    end: int
    tail: Place
    digest: str
    whole: bool = False


class Shipper:
    """`turn` brings the store up to date. `logs`: the store of the log's pieces. `say` hears what happens.

    `recipients`: the public keys for which pieces are encrypted; none: they are not.
    """

    def __init__(
        self,
        server: Server,
        logs: Store,
        work: Path,
        say: Callable[[str], None],
        recipients: Sequence[str] = (),
    ) -> None:
        self._server = server
        self._logs = logs
        self._work = work
        self._say = say
        self._recipients = tuple(recipients)
        self._timeline = 0
        self._shipped: _Shipped | None = None
        self._feed: Feed | None = None
        self._file: LogFile | None = None
        self._writer: Writer | None = None
        self._last: tuple[Place, Event] | None = None
        self._mark: Mark | None = None

    def turn(self) -> Seen:
        """Ship what the log has by now. Raises UserError; the next turn goes on after what was shipped."""
        try:
            seen = self._server.look()
            try:
                self._open(seen)
                self._follow(seen)
            except Broken as error:
                self._let_go()
                self._begin(error.message)
                self._follow(seen)
        except BaseException:
            self._let_go()
            raise
        (self._work / READY).touch()
        return seen

    def close(self) -> None:
        """End the connections."""
        self._let_go()
        self._server.close()

    def _let_go(self) -> None:
        if self._feed:
            self._feed.close()
        if self._writer:
            self._writer.close()
        self._feed = self._writer = self._file = self._last = None

    def _open(self, seen: Seen) -> None:
        """See that the feed stands where the store's log ends. Raises Broken."""
        if self._feed and self._feed.place <= seen.place:
            return
        self._let_go()
        if self._shipped is None:
            self._resume()
        if self._shipped:
            self._feed = self._same(self._shipped)
        else:
            self._begin("Before that nothing of the binary log was shipped.")

    def _resume(self) -> None:
        """Find out from the store how far it has the log."""
        if not (found := catalogue.timelines(self._logs)):
            return
        newest = found[-1]
        self._timeline = newest.number
        for mark in newest.loose:
            self._mark = mark
        filled = [piece for piece in newest.pieces if piece.end > piece.start]
        if not filled:
            return
        last = max(filled, key=lambda piece: piece.ends)
        whole = any(piece.last and piece.ends == last.ends for piece in newest.pieces)
        self._shipped = _Shipped(last.file, last.end, Place(last.file.name, last.tail), last.digest, whole)
        self._say(f"The store has the log up to {last.ends}, in timeline {newest.number}.")

    def _same(self, shipped: _Shipped, *, beside: bool = False) -> Feed:
        """A feed that goes on after what was shipped. Raises Broken if the server's log is another one."""
        try:
            feed = self._server.follow(shipped.tail, beside=beside)
            start, event = feed.read()
        except (LogGone, LogError) as error:
            raise Broken(f"The server no longer has {shipped.tail} of its log ({error.message}).") from error
        if (feed.file, start, digest_of(event)) == (shipped.file, shipped.tail, shipped.digest):
            return feed
        feed.close()
        raise Broken(
            f"At {shipped.tail} the server's log is not the one that was shipped: the volume was replaced or"
            " the log was reset, and the names of its files are used again."
        )

    def _begin(self, why: str) -> None:
        """Begin a timeline, with the oldest file that the server has."""
        number, broken = self._timeline + 1, self._timeline > 0
        oldest = self._server.oldest()
        try:
            self._logs.put(Begin(datetime.now(UTC), broken, why).to_json(), names.begin_key(number))
        except AlreadyThere:
            self._shipped, self._timeline = None, 0
            raise UserError(
                f"Another shipper has begun timeline {number}.", "The store is looked at again, by itself."
            ) from None
        self._timeline, self._shipped, self._mark = number, None, None
        self._feed = self._server.follow(Place(oldest, FIRST))
        self._say(f"Timeline {number} begins with {oldest}.")
        if broken:
            self._say(
                f"GAP: {why} What was written after the last shipped moment can't be restored. `--at` works "
                "again from the next backup on. Run `fwb backup now STACK`."
            )

    def _follow(self, seen: Seen) -> None:
        """Read up to the place where the log was seen to end, and ship it. Raises Broken."""
        feed = self._feed
        while feed and feed.place < seen.place:
            start, event = feed.read()
            if feed.file:
                self._writing(feed.file).add(event)
            self._last = start, event
            if self._writer and self._writer.size >= PIECE:
                self._ship()
        if feed and feed.place != seen.place:
            raise UserError(
                f"No event of the log begins at {seen.place}, where the server says that it ends.",
                "It is tried again by itself.",
            )
        self._ship_moment(seen)

    def _writing(self, file: LogFile) -> Writer:
        """What the next event of the file is written into."""
        current = self._file or (self._shipped.file if self._shipped else file)
        if file != current:
            self._file = current
            self._finish_file()
        self._file = file
        if self._writer is None:
            goes_on = self._shipped is not None and self._shipped.file == file
            self._writer = Writer(
                self._work / "piece.gz", self._shipped.end if self._shipped and goes_on else 0
            )
        return self._writer

    def _finish_file(self) -> None:
        """Ship the rest of a file that the server has gone on from, and see that it is still the same log."""
        if not (self._shipped and self._shipped.whole and self._writer is None):
            self._ship(last=True)
        if self._shipped:
            self._same(self._shipped, beside=True).close()

    def _ship(self, *, time: int | None = None, last: bool = False) -> None:
        """Put what was written into the store."""
        file = self._file
        if file is None:
            return
        writer = self._writer or Writer(self._work / "piece.gz", self._shipped.end if self._shipped else 0)
        writer.finish()
        shipped = self._shipped
        if self._last:
            tail, event = self._last
            shipped = _Shipped(file, writer.end, tail, digest_of(event), last)
        elif shipped:
            shipped = replace(shipped, whole=last)
        else:
            return
        piece = Piece(
            self._timeline, file, writer.start, writer.end, time, last, shipped.tail.position, shipped.digest,
            keys=names.keys_of(self._recipients),
        )  # fmt: skip
        # Under the same name is the same piece: its answer was lost, or another shipper put it there.
        with suppress(AlreadyThere):
            self._logs.put_file(sealed(writer.path, self._recipients), piece.key)
        self._writer, self._shipped = None, shipped

    def _ship_moment(self, seen: Seen) -> None:
        """Put into the store that the log ended here at that time."""
        if self._writer:
            self._ship(time=seen.time)
            return
        if self._shipped is None:
            return
        mark = Mark(self._timeline, self._shipped.file, self._shipped.end, seen.time)
        if mark == self._mark:
            return
        with suppress(AlreadyThere):
            self._logs.put(
                f"{datetime.fromtimestamp(seen.time, UTC):%Y-%m-%d %H:%M:%S} UTC\n".encode(), mark.key
            )
        # The new one tells all that the old one told, if nothing was written between the two.
        if self._mark and self._mark.place == mark.place:
            self._logs.delete(self._mark.key)
        self._mark = mark
