"""A real server as a plain process of this machine, for as long as a block runs."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pymysql
import redis

START_SECONDS = 60


@contextmanager
def program(
    arguments: list[str], folder: Path, answers: Callable[[], object], **environment: str
) -> Iterator[None]:
    """Run a server until the block ends; wait until `answers` no longer raises. Its log is in the folder."""
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(
            arguments, stdout=out, stderr=subprocess.STDOUT, env={**os.environ, **environment}
        )
    try:
        deadline = time.monotonic() + START_SECONDS
        while True:
            try:
                answers()
                break
            except (redis.RedisError, pymysql.MySQLError, OSError):
                if process.poll() is not None or time.monotonic() > deadline:
                    text = log.read_text(encoding="utf-8", errors="replace")
                    raise AssertionError(f"{arguments[0]} didn't start:\n{text[-2000:]}") from None
                time.sleep(0.05)
        yield
    finally:
        process.kill()
        process.wait()


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


def binary(name: str) -> str:
    path = shutil.which(name, path="/usr/sbin:/usr/bin:/usr/local/bin")
    assert path, f"{name} is missing: `make test` installs it (apt packages redis-tools, mariadb-server-core)"
    return path
