"""What a restore's tests put into the database, what they break, and backups that are no good."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

import pyrage
from restore_lab import Lab

ROWS = (
    "CREATE TABLE files (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80), size DOUBLE)",
    "CREATE TABLE log (id INT PRIMARY KEY, file INT, FOREIGN KEY (file) REFERENCES files (id))",
    "INSERT INTO files (name, size) VALUES ('남는 글 🎉', 0.1), ('b', NULL)",
    "INSERT INTO log VALUES (1, 1)",
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
    "CREATE USER bob IDENTIFIED BY 'bobs'", "GRANT SELECT ON other.* TO bob",
    "CREATE USER somebody@'10.%'", "GRANT ALL ON filewallball_db.* TO somebody@'10.%'",
)  # fmt: skip
REFERS = (
    "CREATE TABLE other.refers (id INT, file INT, FOREIGN KEY (file) REFERENCES filewallball_db.files (id))"
)
FILES = [("남는 글 🎉", 0.1), ("b", None)]


def files(lab: Lab) -> list[tuple[Any, ...]]:
    return lab.app("SELECT name, size FROM files ORDER BY id")


def break_rows(lab: Lab) -> None:
    """What a restore is to undo."""
    lab.admin(
        "DELETE FROM log", "UPDATE files SET name = 'overwritten'", "CREATE TABLE IF NOT EXISTS later (i INT)"
    )


def damage(lab: Lab, backup: str, how: str) -> Path:
    """A copy of the backup under another name, damaged."""
    name = "filewallball_backup_20200101_000000.sql.gz"
    data = (lab.bucket / backup).read_bytes()
    about = json.loads((lab.bucket / f"{backup}.manifest.json").read_text()) | {"name": name}
    if how == "flipped":
        data = data[:200] + bytes([data[200] ^ 1]) + data[201:]
    if how == "truncated":
        data = data[:-9]
        about["bytes"] = len(data)
    if how == "of another":
        about["name"] = backup
    if how == "of another database":
        about["database"] = "elsewhere"
    if how == "of another version":
        about["server_version"] = "11.4.2-MariaDB"
    if how == "never tried":
        about["verified"] = False
    (lab.bucket / name).write_bytes(data)
    if how != "without a manifest":
        (lab.bucket / f"{name}.manifest.json").write_text(json.dumps(about))
    return lab.bucket / name


def sealed(lab: Lab, backup: str, key_file: Path) -> str:
    """The name of an encrypted copy of the backup, whose key is in the file from now on."""
    key = pyrage.x25519.Identity.generate()
    key_file.write_text(str(key), encoding="utf-8")
    plain = (lab.bucket / backup).read_bytes()
    sealed = pyrage.encrypt(plain, [key.to_public()])
    name = backup.replace(".sql.gz", ".sql.gz.age")
    about = json.loads((lab.bucket / f"{backup}.manifest.json").read_text())
    about |= {"name": name, "bytes": len(sealed), "sha256": hashlib.sha256(sealed).hexdigest()}
    about |= {"recipients": [str(key.to_public())]}
    (lab.bucket / name).write_bytes(sealed)
    (lab.bucket / f"{name}.manifest.json").write_text(json.dumps(about))
    return name
