"""Bringing a restored backup forward, to one second: what a restore `--at` a TIME does after that.

The state at TIME is the log's order up to the first commit that is stamped later. The log stamps a commit
with the second in which the statement began that committed: COMMIT, or a statement that commits by itself.
So a statement that took long is left out if anything stamped later was committed before it. What was
committed within the second TIME is in.

Stamps are the clients' to set (SET TIMESTAMP). So they decide only between two looks of the shipper at the
server's clock and log: what was in the log at a look until TIME is in, and what came after a look later than
TIME is not.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

from filewallball.backup import age
from filewallball.backup.manifest import Manifest
from filewallball.backup.store import Store
from filewallball.backup.workdir import human
from filewallball.binlogs import catalogue, groups, looks
from filewallball.binlogs.catalogue import Timeline, place_of
from filewallball.binlogs.content import check_opens, events_in, fetched, unpacked
from filewallball.binlogs.events import FIRST, Event, Kind, LogError, checksums, parse
from filewallball.binlogs.groups import Groups
from filewallball.binlogs.names import Mark, Piece, Place
from filewallball.binlogs.server import LOOK_SECONDS
from filewallball.binlogs.target import Target
from filewallball.binlogs.xa import Prepared
from filewallball.errors import UserError

_LIST = "Run `fwb restore STACK --list`, which shows what can be restored."
_LATER = "Choose a moment after the next backup, or one before. " + _LIST


@dataclass(frozen=True)
class Plan:
    """What is replayed: from `start` on, at most up to `stop`. `reaches`: the second whose state comes out.

    `sure`: what stands before this place was committed until then, whatever its stamp. `bytes`: packed, of
    all the pieces. `keys`: what opens those that are encrypted.
    """

    logs: Store
    timeline: Timeline
    pieces: tuple[Piece, ...]
    format_event: bytes
    start: Place
    sure: Place
    stop: Place
    reaches: datetime
    bytes: int
    keys: tuple[age.Identity, ...] = field(default=(), repr=False)

    @property
    def summary(self) -> str:
        """One line for people."""
        return (
            f"the binary log from {self.start} on, up to {self.reaches:%Y-%m-%d %H:%M:%S} UTC: "
            f"{len(self.pieces)} pieces, {human(self.bytes)}"
        )


@dataclass(frozen=True)
class Replayed:
    """What was replayed: transactions (and single statements) of the database, up to the last one's end."""

    transactions: int
    end: Place


def plan(store: Store, manifest: Manifest, until: datetime, keys: Sequence[age.Identity] = ()) -> Plan:
    """How to get from a backup to the second `until`. `store`: that of the backups. `keys`: the private ones.

    Raises UserError that says what is missing, age.NoKey, StoreError; ValueError for a time without a zone.
    """
    if until.tzinfo is None:
        raise ValueError("a moment needs a time zone")
    second = int(until.timestamp() // 1)
    if second < int(manifest.created.timestamp()):
        raise UserError(
            f"{_told(second)} is before {manifest.name}, which is of {_told(manifest.created.timestamp())}.",
            "Choose an older backup, or name none, so that the restore chooses it.",
        )
    logs, start = catalogue.below(store), place_of(manifest)
    found = catalogue.timelines(logs)
    timeline = catalogue.timeline_of(manifest, found)
    if timeline is None:
        raise UserError(
            f"The store doesn't have the binary log from {start} on, where {manifest.name} stands.",
            "It was not shipped at that time, or it is another server's log that is there. " + _LIST,
        )
    reach = timeline.reach(start) or start
    bounds = _bounds(timeline.marks, start, reach, second)
    if bounds is None:
        raise _too_late(second, timeline, reach, logs)
    more = [
        mark
        for each in timeline.looks
        if each.piece.begins <= bounds[1] and bounds[0] <= each.piece.ends
        for mark in looks.read(logs, each)
    ]
    sure, stop = _bounds((*timeline.marks, *more), start, reach, second) or bounds
    pieces = tuple(piece for piece in timeline.chain(start) if piece.begins < stop)
    head = _head(timeline, start)
    check_opens(logs, (head, *pieces), keys)
    _, form = next(events_in(head, unpacked(head, logs.get(head.key), keys)))
    _check_start(logs, pieces, start, manifest, keys)
    return Plan(
        logs,
        timeline,
        pieces,
        form.raw,
        start,
        sure,
        stop,
        datetime.fromtimestamp(second, UTC),
        sum(piece.size for piece in pieces),
        tuple(keys),
    )


def _bounds(marks: Sequence[Mark], start: Place, reach: Place, second: int) -> tuple[Place, Place] | None:
    """Up to where the log was committed until that second for sure, and from where on it was not."""
    late = [mark.place for mark in marks if start <= mark.place <= reach and mark.time > second]
    if not late:
        return None
    stop = min(late)
    early = [mark.place for mark in marks if mark.time + LOOK_SECONDS <= second and mark.place <= stop]
    return max([*early, start]), stop


def _too_late(second: int, timeline: Timeline, reach: Place, logs: Store) -> UserError:
    last = catalogue.last_second(timeline, reach)
    up_to = _told(last) if last else "no moment at all"
    latest = timeline.latest
    if latest and latest.place > reach:
        return UserError(
            f"{_told(second)} can't be reached: a piece of the binary log is missing in the store after"
            f" {reach}, that is after {up_to}.",
            _LATER,
        )
    after = catalogue.begin_of(logs, timeline.number + 1)
    if after:
        return UserError(f"{_told(second)} can't be reached: the log ends at {up_to}. {after.why}", _LATER)
    return UserError(
        f"{_told(second)} can't be reached yet: the store has the binary log up to {up_to}.",
        "If that is in the past, wait for some seconds and try again. If it stays so, look at the log of the "
        "shipper: `kubectl -n NAMESPACE logs deploy/filewallball-binlogs`.",
    )


def _told(seconds: float) -> str:
    return f"{datetime.fromtimestamp(seconds, UTC):%Y-%m-%d %H:%M:%S} UTC"


def _head(timeline: Timeline, start: Place) -> Piece:
    """The piece with the first event of the file in which the replay starts: it describes all others."""
    head = next(
        (each for each in timeline.pieces if each.begins == Place(start.file, 0) and each.end > FIRST), None
    )
    if head is None:
        raise UserError(
            f"The store doesn't have the beginning of {start.file}, in which the backup stands.", _LIST
        )
    return head


def _check_start(
    logs: Store, pieces: Sequence[Piece], start: Place, manifest: Manifest, keys: Sequence[age.Identity]
) -> None:
    """Raise UserError unless a transaction can begin at the place, and what stands before it is older."""
    if not pieces or pieces[0].begins.number != start.number:
        return
    first = pieces[0]
    groups_before, at, latest = Groups(begun=True), first.start, 0
    for at, event in events_in(first, unpacked(first, logs.get(first.key), keys)):
        if at >= start.position:
            break
        if event.kind == Kind.FORMAT:
            groups_before.checksummed = checksums(event)
        if group := groups_before.add(event):
            latest = group.stamp
        at += event.size  # where the piece ends, if this was its last event
    if at != start.position or groups_before.open:
        raise UserError(
            f"{start}, where {manifest.name} stands, lies within "
            f"{'a transaction' if at == start.position else 'an event'} of the binary log.",
            "The manifest is not of this log. Choose another backup.",
        )
    if latest > manifest.created.timestamp() + catalogue.SKEW and start.position > FIRST:
        raise UserError(
            f"What stands before {start} in the binary log is of {_told(latest)}, and the backup is older.",
            "It is another server's log, in which names are used again. Choose another backup.",
        )


def apply(plan: Plan, target: Target, database: str, say: Callable[[str], None]) -> Replayed:
    """Replay into a running server that holds the backup, and nothing else: a throw-away one.

    `say` hears progress. Raises UserError if anything fails; the server is worth nothing then.
    """
    found, done, end = Groups(checksummed=checksums(parse(plan.format_event))), 0, plan.start
    prepared = Prepared(database)
    with target.replaying(plan.format_event) as feed:
        for place, event in _events(plan):
            if place >= plan.stop:
                break
            if event.kind == Kind.GTID and place >= plan.sure and event.stamp > plan.reaches.timestamp():
                break
            if event.kind == Kind.FORMAT:
                found.checksummed = checksums(event)
                feed.write(event.raw)
                continue
            group = found.add(event)
            if group is None:
                continue
            feed.seen(group.gtid)
            end = Place(place.file, place.position + event.size)
            events, commits = list[Event](), groups.commits(group)
            if group.prepared:
                prepared.hold(group, checksummed=found.checksummed)
            elif group.gtid.ends:
                events, commits = prepared.ended(group, checksummed=found.checksummed), True
            elif groups.concerns(group, database):
                feed.know(groups.foreign(group, database))
                events = [*groups.own(group, database, checksummed=found.checksummed)]
            for own in events:
                feed.write(own.raw)
            feed.commits += bool(events) and commits
            done += bool(events)
            say(f"{done} transactions replayed, up to {_told(group.stamp)}")
        if found.open:
            raise LogError(
                f"The binary log in the store ends within a transaction, before {plan.stop}.", _LATER
            )
        feed.finish()
    return Replayed(done, end)


def _events(plan: Plan) -> Iterator[tuple[Place, Event]]:
    known, wanted = checksums(parse(plan.format_event)), plan.start
    for piece, data in fetched(plan.logs, plan.pieces, plan.keys):
        for at, event in events_in(piece, data, checksummed=known):
            if event.kind == Kind.FORMAT:
                known = checksums(event)
            place = Place(piece.file.name, at)
            # What two shippers put there overlaps.
            if place >= wanted:
                yield place, event
                wanted = Place(piece.file.name, at + event.size)
