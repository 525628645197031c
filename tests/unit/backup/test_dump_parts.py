"""The parts of a backup that need no server."""

from __future__ import annotations

import gzip
import os
from pathlib import Path

import pytest

from filewallball.backup import program
from filewallball.backup.database import Server, missing_rights, quote, series
from filewallball.backup.job import Log
from filewallball.backup.manifest import Position
from filewallball.backup.packed import PackedError, ends_complete, opened, unpacked
from filewallball.backup.restore import check_series
from filewallball.backup.settings import DatabaseSettings
from filewallball.backup.snapshot import prove_same
from filewallball.backup.workdir import WorkDir, human, work_dir
from filewallball.errors import UserError

END = b"/*!40101 SET X */;\n\n-- Dump completed on 2026-11-21 13:46:38\n"


@pytest.mark.parametrize(
    ("tail", "complete"),
    [
        (END, True),
        (END + b"\n", True),
        (END[:-30], False),
        (b"", False),
        (END + b"INSERT INTO t VALUES (1);\n", False),
        (b"INSERT INTO t VALUES ('-- Dump completed on 2026');\n", False),
    ],
)
def test_the_last_line_of_a_dump(tail: bytes, complete: bool) -> None:
    assert ends_complete(tail) is complete


def test_unpacking_keeps_its_pieces_small() -> None:
    sizes = [len(piece) for piece in opened([gzip.compress(bytes(50_000_000))])]
    assert sum(sizes) == 50_000_000
    assert max(sizes) <= 256 * 1024


@pytest.mark.parametrize(
    "change",
    [
        lambda packed: packed[:-1],
        lambda packed: packed[: len(packed) // 2],
        lambda packed: packed[:20] + bytes([packed[20] ^ 1]) + packed[21:],
        lambda packed: packed + b"x",
        lambda _: b"",
        lambda _: b"plain text",
    ],
)
def test_damage_is_noticed(change: object, tmp_path: Path) -> None:
    assert callable(change)
    (tmp_path / "x.gz").write_bytes(change(gzip.compress(os.urandom(1000))))
    with pytest.raises(PackedError, match=r"damaged|cut off"):
        list(unpacked(tmp_path / "x.gz"))


def test_the_password_is_not_on_the_command_line() -> None:
    line = program.command(DatabaseSettings("h", 3306, "d", "u", "geheim"), ["t"], program.SNAPSHOT)
    assert "geheim" not in " ".join(line)
    assert line[0] == "mariadb-dump"
    assert line[-2:] == ["d", "t"]


def test_two_snapshots_must_stand_at_the_same_place() -> None:
    prove_same(Position("bin.000001", 4), Position("bin.000001", 4))
    for other in (Position("bin.000001", 5), Position("bin.000002", 4)):
        with pytest.raises(UserError, match="not the same moment"):
            prove_same(Position("bin.000001", 4), other)


FULL = [
    "GRANT RELOAD ON *.* TO `b`@`%` IDENTIFIED BY PASSWORD '*X'",
    "GRANT SELECT, SHOW VIEW, EVENT, TRIGGER ON `files\\_db`.* TO `b`@`%`",
    "GRANT SELECT ON `mysql`.`proc` TO `b`@`%`",
]


@pytest.mark.parametrize(
    ("grants", "missing"),
    [
        (FULL, []),
        (["GRANT ALL PRIVILEGES ON *.* TO `b`@`%` WITH GRANT OPTION"], []),
        (["GRANT RELOAD, SELECT, SHOW VIEW, EVENT, TRIGGER ON *.* TO `b`@`%`"], []),
        (["GRANT RELOAD ON *.* TO `b`@`%`", "GRANT ALL PRIVILEGES ON `files%`.* TO `b`@`%`"], []),
        (FULL[1:], ["RELOAD ON *.*"]),
        (["GRANT USAGE ON *.* TO `b`@`%`", FULL[0], "GRANT SELECT, EVENT ON `files_db`.* TO `b`@`%`"],
         ["SHOW VIEW ON `files_db`.*", "TRIGGER ON `files_db`.*"]),
        # \_ is an underscore and nothing else.
        ([FULL[0], "GRANT ALL PRIVILEGES ON `files\\_d_`.* TO `b`@`%`"], []),
        ([FULL[0], "GRANT ALL PRIVILEGES ON `other`.* TO `b`@`%`"],
         [f"{right} ON `files_db`.*" for right in ("EVENT", "SELECT", "SHOW VIEW", "TRIGGER")]),
    ],
)  # fmt: skip
def test_missing_rights(grants: list[str], missing: list[str]) -> None:
    assert missing_rights(grants, "files_db") == missing


def test_names_in_sql() -> None:
    assert quote("a`b") == "`a``b`"


def test_series() -> None:
    assert series("10.11.19-MariaDB-0+deb12u1-log") == "10.11"
    assert series("mariadbd  Ver 11.4.2-MariaDB for Linux on x86_64") == "11.4"


def test_a_server_of_another_series_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("filewallball.backup.restore.server_version", lambda: "mariadbd Ver 10.11.19-MariaDB")
    check_series(Server("10.11.2-MariaDB-log", "utf8mb4", "utf8mb4_bin", 0, {}))
    with pytest.raises(UserError, match=r"MariaDB 11\.4"):
        check_series(Server("11.4.2-MariaDB", "utf8mb4", "utf8mb4_bin", 0, {}))


def test_the_limit_of_the_work_directory(tmp_path: Path) -> None:
    with work_dir(tmp_path, 1_000_000) as work:
        work.check()
        with pytest.raises(UserError, match=r"too small: a copy needs about 1\.9 MiB"):
            work.need(2_000_000, "a copy")
        (work.path / "big").write_bytes(os.urandom(1_200_000))
        with pytest.raises(UserError, match="its limit is reached"):
            WorkDir(work.path, 1_000_000).check()


def test_the_work_directory_is_cleaned_and_private(tmp_path: Path) -> None:
    left = tmp_path / "filewallball-backup" / "server"
    left.mkdir(parents=True)
    (tmp_path / "mine").write_text("not the backup's")
    with work_dir(tmp_path, None) as work:
        assert list(work.path.iterdir()) == []
        assert work.path.stat().st_mode & 0o077 == 0
        with pytest.raises(UserError, match="Another run"), work_dir(tmp_path, None):
            pass
        assert work.path.is_dir()
    assert not work.path.exists()
    assert (tmp_path / "mine").exists()


@pytest.mark.parametrize(
    ("size", "text"), [(0, "0 B"), (1023, "1023 B"), (1536, "1.5 KiB"), (5 * 2**40, "5120.0 GiB")]
)
def test_sizes_for_people(size: int, text: str) -> None:
    assert human(size) == text


def test_the_log_names_the_step_and_holds_progress_back() -> None:
    lines: list[str] = []
    now = [0.0]
    log = Log(lines.append, lambda: now[0])
    with log.step("dump") as done:
        log.progress("early")
        now[0] = 11.0
        log.progress("late")
        now[0] = 12.0
        log.progress("too soon after")
        done += ["2 tables", "3 rows"]
    assert [line.split(" ", 1)[1] for line in lines] == ["… late", "dump: 2 tables, 3 rows (12.0 s)"]
    with pytest.raises(UserError, match="upload: no"), log.step("upload"):
        raise UserError("no", "do this")
