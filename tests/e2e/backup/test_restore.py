"""A backup takes the place of the database: what comes back, what stays, and what a fault leaves."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from restore_lab import Lab, running
from s3_gateway import S3

ROWS = (
    "CREATE TABLE files (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80), size DOUBLE)",
    "INSERT INTO files (name, size) VALUES ('남는 글 🎉', 0.1), ('b', NULL)",
    "CREATE TRIGGER bigger BEFORE INSERT ON files FOR EACH ROW SET NEW.size = NEW.size * 2",
    "CREATE VIEW large AS SELECT * FROM files WHERE size > 1",
    "CREATE FUNCTION doubled(x INT) RETURNS INT RETURN 2 * x",
    "CREATE DEFINER=filewallball_app VIEW called AS SELECT doubled(id) AS twice FROM files",
    "CREATE DEFINER=somebody@'10.%' VIEW strange AS SELECT doubled(id) AS twice FROM files",
    "CREATE EVENT nightly ON SCHEDULE EVERY 1 DAY DO DELETE FROM files WHERE size < 0",
)
OTHERS = (
    "CREATE DATABASE other", "CREATE TABLE other.kept (id INT)", "INSERT INTO other.kept VALUES (7)",
    "CREATE DATABASE filewallball_db_2", "CREATE TABLE filewallball_db_2.kept (id INT)",
    "CREATE TABLE other.refers (id INT, file INT, FOREIGN KEY (file) REFERENCES filewallball_db.files (id))",
    "CREATE USER bob IDENTIFIED BY 'bobs'", "GRANT SELECT ON other.* TO bob",
    "CREATE USER somebody@'10.%'",
)  # fmt: skip


@pytest.fixture(scope="module")
def lab(s3: S3, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    with running(tmp_path_factory.mktemp("r"), s3) as found:
        found.admin(ROWS[0], *OTHERS, *ROWS[1:])
        yield found


def test_the_round_trip(lab: Lab) -> None:
    name = lab.back_up()
    lab.admin("DROP USER somebody@'10.%'")
    lab.app("DELETE FROM files WHERE id = 1")
    lab.app("CREATE TABLE later (id INT)")
    said = lab.restore()
    print("\n".join(said))
    assert lab.app("SELECT name, size FROM files ORDER BY id") == [("남는 글 🎉", 0.1), ("b", None)]
    assert lab.app("SHOW TABLES LIKE 'later'") == []
    assert lab.leftovers() == []
