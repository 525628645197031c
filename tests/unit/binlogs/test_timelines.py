"""What the names of the log's objects tell: which pieces go together, and how far."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filewallball.backup.manifest import Manifest, Position
from filewallball.binlogs import names
from filewallball.binlogs.catalogue import SKEW, Timeline, last_second, timeline_of
from filewallball.binlogs.merge import HOUR, runs
from filewallball.binlogs.names import LogFile, Looks, Mark, Piece, Place

ONE, TWO, THREE = (LogFile(f"binlog.00000{n}", 1000 * n) for n in (1, 2, 3))
PIECES = (
    Piece(1, ONE, 0, 500, 1010),
    Piece(1, ONE, 500, 900),
    Piece(1, ONE, 900, 950, 1030, last=True),
    Piece(1, TWO, 0, 400, 2010),
    Piece(1, TWO, 400, 400, last=True),
    Piece(1, THREE, 0, 300, 3010),
)


def timeline(*pieces: Piece, loose: tuple[Mark, ...] = ()) -> Timeline:
    return Timeline(1, tuple(sorted(pieces, key=lambda each: (each.begins, each.end))), loose)


positions = st.integers(0, 10**12)
files = st.builds(LogFile, st.from_regex(r"[a-z-]{1,9}\.[0-9]{6,8}", fullmatch=True), st.integers(0, 10**10))


@given(files, positions, positions, st.none() | st.integers(0, 10**10), st.booleans(), st.integers(1, 10**7))
def test_a_name_says_what_the_piece_is(
    file: LogFile, start: int, size: int, time: int | None, last: bool, number: int
) -> None:
    for keys in ("", names.keys_of(["age1a", "age1b"])):
        piece = Piece(number, file, start, start + size, time, last, start, "00ff" * 4, 7, keys)
        assert names.read(piece.key, 7) == piece
        assert names.read(piece.looks_key) == Looks(replace(piece, size=0))
    mark = Mark(number, file, start, 7)
    assert names.read(mark.key) == mark
    assert names.begun(names.begin_key(number)) == number


@pytest.mark.parametrize(
    "key",
    [
        "notes.txt",
        "000001/notes.txt",
        "000001/binlog.000001@1/notes.gz",
        "000001/binlog.000001@1/0000000500-0000000400.356-0123456789abcdef.gz",
        "000001/binlog.000001@1/0000000000-0000000400.356-0123456789abcdef.gz.old",
        "000001/binlog.000001@1/0000000000-0000000400.356-0123456789abcdef.gz.age",
        "1/binlog.000001@1/0000000000-0000000400.356-0123456789abcdef.gz",
        "000001/binlog.000001/0000000000-0000000400.356-0123456789abcdef.gz",
        "x/000001/binlog.000001@1/0000000000-0000000400.356-0123456789abcdef.gz",
        "000001/binlog.000001@1/０000000000-0000000400.356-0123456789abcdef.gz",
    ],
)
def test_other_names_are_none(key: str) -> None:
    assert names.read(key) is None
    assert names.begun(key) is None


def test_pieces_follow_each_other_through_the_files() -> None:
    found = timeline(*PIECES)
    assert [piece for piece in found.chain(Place("binlog.000001", 700)) if piece.end > piece.start] == [
        PIECES[1], PIECES[2], PIECES[3], PIECES[5],
    ]  # fmt: skip
    assert found.reach(Place("binlog.000001", 4)) == Place("binlog.000003", 300)
    assert found.reach(Place("binlog.000003", 300)) == Place("binlog.000003", 300)
    assert found.reach(Place("binlog.000003", 301)) is None
    assert found.reach(Place("binlog.000004", 4)) is None


@pytest.mark.parametrize("missing", range(5))
def test_the_chain_ends_where_a_piece_is_missing(missing: int) -> None:
    found = timeline(*(piece for piece in PIECES if piece is not PIECES[missing]))
    reach = found.reach(Place("binlog.000001", 4))
    wanted = None if missing == 0 else PIECES[missing].begins
    if wanted and wanted.position == 0:
        wanted = PIECES[missing - 1].ends
    assert reach == wanted


def test_what_two_shippers_put_there_is_one_log() -> None:
    found = timeline(
        Piece(1, ONE, 0, 500), Piece(1, ONE, 500, 800), Piece(1, ONE, 500, 900), Piece(1, ONE, 800, 950)
    )
    assert found.reach(Place(ONE.name, 4)) == Place(ONE.name, 950)


def test_files_are_ordered_by_their_numbers() -> None:
    assert Place("binlog.999999", 900) < Place("binlog.1000000", 4)


def manifest(file: str, position: int, created: float, begun: int | None = None) -> Manifest:
    when = datetime.fromtimestamp(created, UTC)
    return Manifest(
        "n", when, 1, "", 1, "files", "utf8mb4", "utf8mb4_bin", "10.11", Position(file, position, begun),
        {}, {}, verified=True, verified_at=when, restore_seconds=1,
    )  # fmt: skip


@pytest.mark.parametrize(
    ("file", "position", "created", "held"),
    [
        (ONE.name, 500, 1011, True),
        (ONE.name, 900, 1020, True),
        # The log was further already, or had not come so far: it is another one with the same names.
        (ONE.name, 500, 1030 + SKEW + 1, False),
        (ONE.name, 900, 1010 - SKEW - 1, False),
        # Its file was begun after the backup.
        (TWO.name, 100, 2000 - SKEW - 1, False),
        (TWO.name, 401, 2005, False),
        ("binlog.000004", 4, 4000, False),
    ],
)
def test_which_backups_stand_in_a_log(file: str, position: int, created: float, held: bool) -> None:
    assert timeline(*PIECES).may_hold(manifest(file, position, created)) is held


def test_a_backup_says_which_log_it_stands_in() -> None:
    """Of a log that was reset within the seconds by which clocks may differ, names and times tell nothing."""
    again = LogFile(ONE.name, ONE.created + 2)
    old = Timeline(1, (Piece(1, ONE, 0, 500, 1001), Piece(1, ONE, 500, 900, 1003)), ())
    new = Timeline(2, (Piece(2, again, 0, 400, 1005), Piece(2, again, 400, 900, 1008)), ())
    for file, wanted in ((ONE, old), (again, new)):
        found = manifest(ONE.name, 450, 1003, file.created)
        assert old.may_hold(found)
        assert new.may_hold(found)
        assert timeline_of(found, [old, new]) is wanted
    assert (
        timeline_of(manifest(ONE.name, 450, 1003), [old, new]) is old
    )  # an old manifest: the first that may
    # Nobody has shipped that file.
    assert timeline_of(manifest(ONE.name, 450, 1003, 999), [old, new]) is None
    # A server that lost the end of its log is shipped anew from its oldest file on.
    whole = Timeline(3, (Piece(3, ONE, 0, 700, 1020, last=True), Piece(3, TWO, 0, 400, 2010)), ())
    assert timeline_of(manifest(ONE.name, 450, 1003, ONE.created), [old, new, whole]) is whole
    assert timeline_of(manifest(ONE.name, 800, 1003, ONE.created), [old, new, whole]) is old


def test_up_to_when_all_is_known() -> None:
    loose = (Mark(1, THREE, 300, 3020), Mark(1, THREE, 350, 3040))
    found = timeline(*PIECES, loose=loose)
    assert last_second(found, Place(THREE.name, 300)) == 3019
    assert last_second(found, Place(ONE.name, 400)) is None


def small(start: int, end: int, hour: float | None, file: LogFile = ONE, *, last: bool = False) -> Piece:
    return Piece(1, file, start, end, None if hour is None else int(hour * HOUR), last, digest=f"{end:016x}")


@pytest.mark.parametrize(
    ("pieces", "together"),
    [
        ((small(0, 9, 5), small(9, 12, 5.1), small(12, 20, 5.9)), [(0, 20)]),
        ((small(0, 9, 5), small(9, 12, 6)), []),  # hours of their own
        ((small(0, 9, 5), small(9, 12, 5), small(12, 20, 8), small(20, 30, 8)), [(0, 12)]),  # not yet over
        ((small(0, 9, 5), small(10, 12, 5)), []),  # something is missing between them
        ((small(0, 9, 5), small(0, 9, 5, TWO), small(9, 12, 5, TWO)), [(0, 12)]),  # files of their own
        ((small(0, 9, 5), small(9, 9, None, last=True)), []),  # nobody knows when that was
        ((small(0, 9, 5), small(9, 2**24 + 9, 5), small(2**24 + 9, 2**24 + 20, 5)), []),
        ((small(0, 9, 5), small(9, 2**24, 5), small(2**24, 2**24 + 20, 5)), [(0, 2**24)]),
        ((small(0, 9, 5), small(0, 20, 5.2)), [(0, 20)]),  # one was interrupted
        ((small(0, 15, 5), small(9, 20, 5.2), small(20, 30, 5.3)), [(0, 30)]),  # of two shippers
    ],
)
def test_which_pieces_become_one(pieces: tuple[Piece, ...], together: list[tuple[int, int]]) -> None:
    assert [(run[0].start, run[-1].end) for run in runs(timeline(*pieces), 8)] == together


def test_the_end_of_a_file_is_not_lost_in_a_piece_that_does_not_tell_it() -> None:
    whole, end = small(0, 9, 5), small(9, 9, None, last=True)
    assert not whole.holds(end)
    assert replace(whole, last=True).holds(end)
    assert not whole.holds(replace(whole, size=7))


def test_what_has_become_one_is_left_alone() -> None:
    whole, inner = small(0, 20, 5), small(0, 9, 5)
    done = replace(timeline(whole, inner), looks=(Looks(whole),))
    assert done.merged == [whole]
    assert not [*runs(done, 8)]


def test_a_day_of_looks_becomes_24_pieces() -> None:
    looks = [small(100 * n, 100 * n + 100, 240 + n / 360) for n in range(8640)]
    assert [len(run) for run in runs(timeline(*looks), 264)] == [360] * 24
