"""Two runs that upload in the same second: neither removes what the other has put."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from filewallball.backup.names import MANIFEST_SUFFIX
from filewallball.backup.publish import publish
from filewallball.backup.shelf import Damaged
from filewallball.backup.store import AlreadyThere, StoreError

NAME = "filewallball_backup_20260101_000000.sql.gz"


@dataclass
class Bucket:
    """A store; `during`: what happens while a file is put, after which the answer is lost."""

    keys: dict[str, bytes] = field(default_factory=dict[str, bytes])
    during: Callable[[str, bytes], None] | None = None

    def put_file(self, path: Path, key: str) -> None:
        if key in self.keys:
            raise AlreadyThere(f"{key} is there")
        if self.during:
            self.during(key, path.read_bytes())
            raise StoreError("The answer is lost.")
        self.keys[key] = path.read_bytes()

    def put(self, data: bytes, key: str) -> None:
        self.keys[key] = data

    def exists(self, key: str) -> bool:
        return key in self.keys

    def delete(self, key: str) -> None:
        self.keys.pop(key, None)


@dataclass(frozen=True)
class About:
    name: str

    def to_json(self) -> bytes:
        return b"{}"


def run(bucket: Bucket, path: Path) -> About:
    def check(one: About) -> None:
        if bucket.keys.get(one.name) != path.read_bytes():
            raise Damaged("It is not what was put.")

    return publish(bucket, path, [About(NAME), About(NAME.replace("00.sql", "01.sql"))], check)  # pyright: ignore[reportArgumentType]


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dump"
    path.write_bytes(b"mine")
    return path


def test_an_upload_whose_answer_was_lost_leaves_nothing(file: Path) -> None:
    bucket = Bucket()
    bucket.during = bucket.keys.__setitem__
    with pytest.raises(StoreError, match="answer is lost"):
        run(bucket, file)
    assert bucket.keys == {}


def test_what_another_run_put_meanwhile_stays(file: Path) -> None:
    bucket = Bucket()
    bucket.during = lambda key, _: bucket.keys.update({key: b"another's"})
    with pytest.raises(StoreError, match="answer is lost"):
        run(bucket, file)
    assert bucket.keys == {NAME: b"another's"}


def test_a_name_that_is_taken_is_left_alone(file: Path) -> None:
    bucket = Bucket({NAME: b"another's"})
    made = run(bucket, file)
    assert made.name != NAME
    assert bucket.keys[NAME] == b"another's"
    assert made.name + MANIFEST_SUFFIX in bucket.keys
