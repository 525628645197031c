"""The managers on this machine's disk: settings from the environment, and what they add to a storage."""

from __future__ import annotations

import os
import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from filewallball.storage import CacheManager, SnapshotManager, StorageManager, WrongSetting, WrongValue
from tests.e2e.redis_lab import Server
from tests.e2e.storage.test_documents import HERE, ROOT, blocks, run

VARIABLES = (
    "CACHE_DIR",
    "LOCK_DIR",
    "CACHE_MAX_SIZE",
    "CACHE_DEFAULT_TTL",
    "CACHE_CHECKPOINT_TTL",
    "STORAGE_URL",
)


@pytest.fixture(autouse=True)
def folders(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.chdir(tmp_path)


@pytest.fixture
def cache() -> Iterator[CacheManager]:
    with CacheManager() as made:
        yield made


def test_the_documents_environment_is_the_default_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    [block] = blocks(HERE / "migration.md", "bash")
    written = dict(line.split("=") for line in block.splitlines())
    assert set(written) == set(VARIABLES) - {"STORAGE_URL"}
    for environment in ({}, written):
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        manager = StorageManager()
        manager.set("a", 1)
        manager.save_checkpoint("c", 1)
        assert 86_300 < (manager.cache.ttl("a") or 0) <= 86_400
        assert 604_700 < (manager.cache.ttl("checkpoint:c") or 0) <= 604_800
        with manager.lock("job", wait=0):
            pass
        manager.close()
        assert sorted(path.name for path in (tmp_path / "data").iterdir()) == ["cache", "locks"]
        assert (tmp_path / "data" / "cache").stat().st_mode & 0o777 == 0o700


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("CACHE_MAX_SIZE", "1k", "CACHE_MAX_SIZE is '1k'. Write a whole number from 1048576"),
        ("CACHE_MAX_SIZE", "5", "CACHE_MAX_SIZE is '5'"),
        ("CACHE_DEFAULT_TTL", "-1", "CACHE_DEFAULT_TTL is '-1'. Write a whole number from 1"),
        ("CACHE_CHECKPOINT_TTL", "9999999999", "CACHE_CHECKPOINT_TTL is '9999999999'"),
        ("STORAGE_URL", "redis:/cache", "'redis:/cache' is no address of a storage"),
    ],
)
def test_settings_that_can_not_be(name: str, value: str, told: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(WrongSetting) as caught:
        StorageManager()
    assert told in str(caught.value)


def test_settings_of_the_environment_count(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("CACHE_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("CACHE_DEFAULT_TTL", "60")
    with CacheManager() as cache:
        cache.set("a", 1)
        assert 50 < (cache.ttl("a") or 0) <= 60
    assert (tmp_path / "elsewhere").is_dir()


def test_what_has_expired_is_cleaned_up(cache: CacheManager) -> None:
    for number in range(3):
        cache.set(f"brief:{number}", 1, 0.01)
    cache.save_checkpoint("brief", 1, 0.01)
    cache.set("stays", 1)
    time.sleep(0.05)
    assert cache.cleanup_expired_checkpoints() == 4
    assert cache.cleanup_expired() == 0
    assert cache.keys() == ["stays"]
    assert cache.get_stats()["store"]


def test_cleaning_up_on_a_schedule(cache: CacheManager) -> None:
    cache.set("brief", 1, 0.01)
    cache.start_cleaning(0.05)
    cache.start_cleaning(0.05)
    deadline = time.monotonic() + 10
    while cache.stats()["store"]["keys"]:
        assert time.monotonic() < deadline
        time.sleep(0.02)


def test_a_copy_of_a_cache_in_use(cache: CacheManager, tmp_path: Path) -> None:
    cache.set("a", {"b": 1})
    copy = cache.backup(tmp_path / "backups")
    cache.set("a", 2)
    assert copy.is_relative_to(tmp_path / "backups")
    assert cache.check(fix=True) == []


def test_a_storage_manager_does_what_its_parts_do() -> None:
    manager = StorageManager()
    assert manager.set("a", "x", ex=60)
    assert manager.set("a", "y", nx=True) is False
    assert (manager.get("a"), manager.exists("a"), manager.expire("a", 5)) == ("x", True, True)
    assert manager.incr("n", 2) == 2
    manager.set_json("d", {"a": [1]})
    manager.set_json("d", 2, path="$.a[0]")
    assert manager.get_json("d", "$.a[0]") == 2
    assert manager.save_checkpoint("c", [1])
    assert (manager.load_checkpoint("c"), manager.delete_checkpoint("c")) == ([1], True)
    assert manager.set_workflow_state("w", {"a": 1})
    assert manager.update_workflow_state("w", {"b": 2}) == manager.get_workflow_state("w") == {"a": 1, "b": 2}
    with manager.lock("job", wait=0):
        health = manager.health_check()
    assert (health["status"], health["locks"]) == ("healthy", ["job"])
    assert manager.cleanup_expired_locks() >= 0
    assert manager.cleanup_expired_checkpoints() >= 0
    assert manager.get_stats()["hit_rate"] > 0
    assert manager.delete("a", "n", "d") == 3
    manager.close()


def test_the_same_on_a_server(server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STORAGE_URL", server.url)
    manager = StorageManager()
    assert manager.set("manager:a", 1, ex=60)
    with manager.lock("manager:job", wait=0):
        assert manager.locks.is_locked("manager:job")
    assert manager.delete("manager:a") == 1
    assert not Path("data").exists()
    manager.close()


def test_snapshots_are_in_the_order_of_saving(cache: CacheManager) -> None:
    snapshots = SnapshotManager(cache)
    ids = [snapshots.save_snapshot("order:7", {"step": number}) for number in range(5)]
    snapshots.save_snapshot("order:70", {"step": "another's"})
    assert snapshots.list_snapshots("order:7") == ids == sorted(ids)
    assert snapshots.load_snapshot("order:7") == {"step": 4}
    assert snapshots.load_snapshot("order:7", ids[0]) == {"step": 0}
    assert snapshots.load_snapshot("order:8", default="none") == "none"
    assert snapshots.delete_snapshot("order:7", ids[4]) == 1
    assert snapshots.load_snapshot("order:7") == {"step": 3}
    assert snapshots.delete_snapshot("order:7") == 4
    assert snapshots.list_snapshots("order:70")
    with pytest.raises(WrongValue, match="Write a text without '/'"):
        snapshots.save_snapshot("a/b", 1)


def test_the_modules_of_the_document_can_be_imported(tmp_path: Path) -> None:
    modules = {
        "cache_manager": "CacheManager",
        "lock_manager": "DistributedLockManager",
        "snapshot_manager": "SnapshotManager",
        "storage_manager": "StorageManager",
    }
    lines = [f"from server.utils.{module} import {name}" for module, name in modules.items()]
    program = "\n".join([*lines, "print(StorageManager().health_check()['status'])"])
    assert run(program, tmp_path) == "healthy\n"


def test_the_page_of_the_library(server: Server, tmp_path: Path) -> None:
    found = blocks(ROOT / "docs" / "storage.md", "python")
    program = "\n".join(found).replace("localhost:6379", f"localhost:{server.port}")
    assert re.fullmatch(r"the fencing token is \d+\n", run(program, tmp_path))


def test_a_child_uses_the_folder_too(cache: CacheManager) -> None:
    cache.set("parent", 1)
    pid = os.fork()
    if not pid:
        os._exit(0 if cache.get("parent") == 1 and cache.set("child", 2) else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 0
    assert cache.get("child") == 2
