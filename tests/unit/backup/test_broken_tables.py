"""Which errors are about one table alone, so that all others can be backed up."""

from __future__ import annotations

import pymysql
import pytest

from filewallball.backup.broken import BrokenTables, in_message, telling, why

SAYS = "mariadb-dump: Error"


@pytest.mark.parametrize(
    ("said", "table"),
    [
        (f"{SAYS} 1194: Table 'a' is marked as crashed when dumping table `a` at row: 3", "a"),
        (f"{SAYS}: 1034: Index for table './b.MYI' is corrupt when dumping table `b ``c` at row: 0", "b `c"),
        ("mariadb-dump: Couldn't execute 'SELECT `i` FROM `c d`': Tablespace is discarded (1814)", "c d"),
        (f"{SAYS} 2013: Lost connection to server during query when dumping table `a` at row: 3", ""),
        (
            f'{SAYS} 1030: Got error 28 "No space left on device" when dumping table `a` at row: 3',
            "",
        ),
        ("mariadb-dump: Couldn't execute 'START TRANSACTION': Access denied (1045)", ""),
    ],
)
def test_what_mariadb_dump_says(said: str, table: str) -> None:
    found = in_message(said)
    assert ([*found.why] if found else []) == ([table] if table else [])


def test_what_the_driver_says() -> None:
    assert why(pymysql.OperationalError(1168, "Unable to open it.")) == "Unable to open it"
    assert why(pymysql.OperationalError(1205, "Lock wait timeout exceeded")) == ""
    assert why(pymysql.OperationalError()) == ""
    with pytest.raises(BrokenTables) as raised, telling("a"):
        raise pymysql.OperationalError(1932, "Table 'x.a' doesn't exist in engine")
    assert raised.value.why == {"a": "Table 'x.a' doesn't exist in engine"}
    with pytest.raises(pymysql.OperationalError), telling("a"):
        raise pymysql.OperationalError(2013, "Lost connection")
