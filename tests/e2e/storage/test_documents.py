"""The documents' examples run as they are written, with the names and values that the documents give."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from filewallball.storage import CacheKeys, CacheTTL, RedisClient, WrongSetting, get_redis_config
from tests.e2e.redis_lab import Server

ROOT = Path(__file__).parents[3]
HERE = Path(__file__).parent / "documents"
GUIDE = ROOT / "docs" / "redis-client-guide.md"


def blocks(page: Path, language: str) -> list[str]:
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def run(program: str, folder: Path, **variables: str) -> str:
    path = f"{ROOT / 'examples'}:{ROOT}"
    environment = {"PATH": os.environ["PATH"], "PYTHONPATH": path, "PYTHONWARNINGS": "error", **variables}
    done = subprocess.run(
        [sys.executable, "-c", program],
        env=environment,
        cwd=folder,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_overviews_client(server: Server, tmp_path: Path) -> None:
    before = """
from app.redis_client import CacheKeys, CacheTTL
from app.redis_pool_config import get_redis_config

key = CacheKeys.FILE_META.format(file_uuid="42")
value, ttl = {"name": "보고서.pdf", "size": 5}, CacheTTL.FILE_META
"""
    after = """
assert data == value
assert 3590 < redis_client.ttl("file:meta:42") <= 3600
"""
    program = "\n".join([before, *blocks(HERE / "overview.md", "python"), after])
    printed = run(program, tmp_path, REDIS_PORT=str(server.port))
    assert re.fullmatch(
        r"Redis 버전: 7\.\d+\.\d+\n사용 메모리: \d+\.\d\d[KMG]\n캐시 히트율: \d+\.\d+%\n", printed
    )


def test_the_names_and_numbers() -> None:
    assert CacheKeys.file_meta("u") == "file:meta:u"
    assert CacheKeys.session(5) == "session:user:5"
    assert CacheKeys.temp_upload_progress("x") == "temp:upload:progress:x"
    assert (CacheTTL.FILE_META, CacheTTL.SESSION, CacheTTL.TEMP_DATA) == (3600, 86_400, 600)


@pytest.mark.parametrize(
    ("environment", "host", "connections"),
    [("development", "localhost", 10), ("kubernetes", "redis", 30), ("production", "redis", 50)],
)
def test_an_environments_settings(environment: str, host: str, connections: int) -> None:
    found = get_redis_config(environment, {})
    assert (found["host"], found["port"], found["max_connections"]) == (host, 6379, connections)
    assert get_redis_config(None, {"ENVIRONMENT": environment}) == found


def test_variables_win_over_an_environments_settings() -> None:
    found = get_redis_config("production", {"REDIS_HOST": "cache", "REDIS_PORT": "6380", "REDIS_USER": "app"})
    assert (found["host"], found["port"], found["user"]) == ("cache", 6380, "app")


@pytest.mark.parametrize(
    ("environment", "variables", "told"),
    [
        ("staging", {}, "no environment 'staging'. Use development, kubernetes, production."),
        ("production", {"REDIS_PORT": "six"}, "REDIS_PORT is 'six'. Write a whole number from 1 to 65535."),
        ("production", {"REDIS_MAX_CONNECTIONS": "0"}, "REDIS_MAX_CONNECTIONS is '0'"),
    ],
)
def test_settings_that_can_not_be(environment: str, variables: dict[str, str], told: str) -> None:
    with pytest.raises(WrongSetting) as caught:
        get_redis_config(environment, variables)
    assert told in str(caught.value)


def test_a_clients_settings(server: Server) -> None:
    with RedisClient({"host": "127.0.0.1", "port": server.port}, prefix="client:") as client:
        assert client.ping()
        assert client.set_with_ttl("a", 1, 60)
        assert client.get("a") == 1
        assert client.get_info()["max_memory"] == "no limit"
        stats = client.get_stats()
        assert stats["own"]["hit_rate"] == 100.0
        assert stats["memory_percent"] is None
        client.clear()
    with pytest.raises(WrongSetting, match="no setting 'prot'"):
        RedisClient({"prot": 1})


def test_the_guide(server: Server, tmp_path: Path) -> None:
    found = blocks(GUIDE, "python")
    assert len(found) > 5
    program = "\n".join(found)
    assert "redis://localhost:6379" in program
    at = f"localhost:{server.port}"
    run(program.replace("localhost:6379", at), tmp_path, REDIS_PORT=str(server.port))


@pytest.mark.parametrize(("port", "code"), [("", 0), ("1", 1), ("x", 2)])
def test_the_script_tries_the_client(server: Server, tmp_path: Path, port: str, code: int) -> None:
    command = [sys.executable, str(ROOT / "scripts/test_redis_client.py"), "--local"]
    variables = {"PATH": os.environ["PATH"], "REDIS_PORT": port or str(server.port)}
    done = subprocess.run(command, env=variables, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == code, done.stdout + done.stderr
    assert "Traceback" not in done.stderr
    assert ("FAILED" in done.stdout) is (code == 1)
