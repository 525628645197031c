"""A real server as a plain process, for as long as a block runs."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pymysql
import redis

START_SECONDS = 30


@contextmanager
def program(arguments: list[str], log: Path, answers: Callable[[], object]) -> Iterator[None]:
    """Run a server until the block ends; wait until it answers."""
    with log.open("wb") as out:
        process = subprocess.Popen(arguments, stdout=out, stderr=subprocess.STDOUT)
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                answers()
                break
            except (redis.RedisError, pymysql.MySQLError):
                if process.poll() is not None or time.monotonic() > deadline:
                    raise AssertionError(
                        f"{arguments[0]} didn't start:\n{log.read_text(encoding='utf-8')[-2000:]}"
                    ) from None
                time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(timeout=30)


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def binary(name: str) -> str:
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")
    assert path, f"{name} is missing: `make test` installs it (apt packages redis-tools, mariadb-server-core)"
    return path
