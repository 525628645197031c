"""A real S3 server as a process on a loopback port."""

from __future__ import annotations

import os
import secrets
import socket
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain.build import binaries

START_SECONDS = 60


@dataclass(frozen=True)
class S3:
    """The store's gateway: a directory per bucket below `data`."""

    endpoint: str
    data: Path
    access_key: str
    secret_key: str


def free_port() -> int:
    with closing(socket.create_server(("127.0.0.1", 0))) as listener:
        return int(listener.getsockname()[1])


@contextmanager
def gateway(folder: Path) -> Iterator[S3]:
    """The server, until the block ends."""
    (folder / "data").mkdir()
    found = S3(f"http://127.0.0.1:{free_port()}", folder / "data", "access", secrets.token_urlsafe(16))
    program = str(binaries(Progress())["versitygw"])
    arguments = [program, "--port", found.endpoint.removeprefix("http://"), "posix", str(found.data)]
    keys = {"ROOT_ACCESS_KEY": found.access_key, "ROOT_SECRET_KEY": found.secret_key}
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen(arguments, stdout=out, stderr=out, env={**os.environ, **keys})
    try:
        deadline = time.monotonic() + START_SECONDS
        while not _answers(found.endpoint):
            assert process.poll() is None, log.read_text()[-2000:]
            assert time.monotonic() < deadline, log.read_text()[-2000:]
            time.sleep(0.05)
        yield found
    finally:
        process.kill()
        process.wait()


def _answers(endpoint: str) -> bool:
    try:
        urllib.request.urlopen(endpoint, timeout=5).close()  # noqa: S310 - http, above
    except urllib.error.HTTPError:
        return True  # it refuses the anonymous: it is there
    except OSError:
        return False
    return True
