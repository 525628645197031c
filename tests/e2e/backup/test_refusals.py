"""Databases of which a backup would be worth nothing: empty ones, and such as hide a part of their rows."""

from __future__ import annotations

from typing import Any

import pytest

from filewallball.backup import catalogue
from filewallball.errors import UserError


@pytest.mark.usefixtures("unproven")
def test_an_emptied_database_does_not_pass_as_verified(job: Any) -> None:
    job.sql("CREATE TABLE files (id INT PRIMARY KEY)", "INSERT INTO files VALUES (1), (2)")
    job.back_up()
    earlier = catalogue.newest_verified(job.store())
    assert earlier is not None
    # What the checks plant in every database is not what people keep in it.
    job.sql("CREATE TABLE fwb_check_1_backup (id INT)", "INSERT INTO fwb_check_1_backup VALUES (1)")
    for emptied in ("DELETE FROM files", "DROP TABLE files"):
        job.sql(emptied)
        with pytest.raises(UserError, match=f"dump: .*{earlier.name} held 2 rows") as caught:
            job.back_up()
        assert "`fwb backup now STACK --allow-empty`" in caught.value.hint
        assert len(job.objects()) == 2
        assert job.leftovers() == []
    code, output = job.run("run", "--allow-empty")
    assert code == 0, output
    # From now on empty is what is known to be right, and what was there before stays.
    job.back_up()
    assert len(job.objects()) == 6
    assert catalogue.find(job.store(), earlier.name) == earlier
    # With rows again, the guard is back.
    job.sql("CREATE TABLE files (id INT PRIMARY KEY)", "INSERT INTO files VALUES (1)")
    job.back_up()
    job.sql("DELETE FROM files")
    code, output = job.run()
    assert code == 1, output
    assert "FAILED dump: " in output


@pytest.mark.usefixtures("unproven")
def test_a_database_that_was_always_empty_but_for_the_checks(job: Any) -> None:
    job.sql("CREATE TABLE fwb_check_1_backup (id INT)", "INSERT INTO fwb_check_1_backup VALUES (1)")
    job.back_up()
    job.sql("DROP TABLE fwb_check_1_backup")
    job.back_up()
    assert len(job.objects()) == 4


@pytest.mark.parametrize(
    "setting", ["sql_select_limit = 2", "max_join_size = 1", "system_versioning_asof = '2020-01-01 00:00:00'"]
)
def test_a_server_whose_answers_lack_rows(job: Any, setting: str) -> None:
    """The copy would lack the same rows, and so be equal."""
    name = setting.partition(" ")[0]
    job.server.run(f"SET GLOBAL {setting}")
    try:
        with pytest.raises(UserError, match=f"preflight: The server's variable {name} is .*") as caught:
            job.back_up(allow_empty=True)
    finally:
        job.server.run(f"SET GLOBAL {name} = DEFAULT")
    assert f"`SET GLOBAL {name} = DEFAULT;`" in caught.value.hint
    assert job.objects() == []
