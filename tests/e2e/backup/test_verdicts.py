"""The verdicts: text that the server writes anew is the same, and what isn't the same is told and kept."""

from __future__ import annotations

from typing import Any

import pytest
from test_failures import change_restore
from test_round_trip import restore_elsewhere

from filewallball.backup import catalogue

FILM = (
    "CREATE TABLE film (id INT PRIMARY KEY, title VARCHAR(50), old VARCHAR(20) CHARACTER SET latin1,"
    " made TIMESTAMP DEFAULT '2001-01-01 00:00:00', note VARCHAR(30) DEFAULT (concat(_latin1'n',_utf8mb3'x')),"
    " shown VARCHAR(90) AS (concat(title, _utf8mb3' ', _latin1'x')) VIRTUAL, CHECK (title <> _latin1'y'))",
    "INSERT INTO film (id, title, old) VALUES (1, 'a', 'é'), (2, '한', 'ÿ')",
)
VIEWS = {
    "utf8mb4": "SELECT concat(title, _utf8' ', id, _latin1 0xe9) AS t, {text} AS u FROM film",
    "utf8mb3": "SELECT concat(title, ' ', {text}) AS t FROM film WHERE old = {text}",
    "latin1": "SELECT concat(title, {text}) AS t, {text} AS u, _utf8mb4 0xed959c AS v FROM film WHERE title > {text}",
    "euckr": "SELECT {text} AS t, if(old = 'a', _latin1'b', {text}) AS u, group_concat(title, {text}) FROM film",
    "binary": "SELECT concat(title, _utf8mb4 0xc3a9) AS t, 'a' AS u FROM film",
}
TEXTS = {"euckr": "한", "binary": ""}


def make_views(job: Any, *, replace: str = "") -> None:
    connection = job.server.connect(job.database)
    try:
        for charset, sql in VIEWS.items():
            connection.query(f"SET NAMES {charset}")
            text = f"'{TEXTS.get(charset, 'é')}'"
            codec = {"latin1": "cp1252", "euckr": "euc_kr"}.get(charset, "utf8")
            for name, body in ((f"in_{charset}", sql), (f"on_{charset}", f"SELECT * FROM in_{charset}")):
                connection.query(f"CREATE {replace} VIEW {name} AS {body.format(text=text)}".encode(codec))
    finally:
        connection.close()


def contents(job: Any, database: str) -> list[Any]:
    return [job.server.run(f"SELECT * FROM in_{each} ORDER BY 1", database=database) for each in VIEWS]


def test_text_in_other_character_sets_is_the_same(job: Any) -> None:
    job.sql(*FILM)
    make_views(job)
    code, output = job.run()
    assert code == 0, output
    assert "backup: OK" in output, output
    manifest = catalogue.newest_verified(job.store())
    assert manifest is not None
    copy = restore_elsewhere(job, manifest)
    try:
        assert contents(job, copy) == contents(job, job.database)
    finally:
        job.server.run(f"DROP DATABASE {copy}")
