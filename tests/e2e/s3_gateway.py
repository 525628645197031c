"""A real S3 server as a process on a loopback port."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
from local_program import free_port

from components import grants
from filewallball import paths
from filewallball.backup import s3
from filewallball.sandbox.locks import exclusive
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain.build import binaries
from filewallball.sandbox.toolchain.golang import find_go
from filewallball.sandbox.toolchain.sources import SANDBOX

START_SECONDS = 60


@dataclass(frozen=True)
class S3:
    """The store's gateway: a directory per bucket below `data`."""

    endpoint: str
    data: Path
    access_key: str
    secret_key: str

    @property
    def users(self) -> Path:
        """The folder of the file that names the users beside the root."""
        return self.data.with_name("users")

    def add_user(self, name: str) -> str:
        """Make a user who may do nothing yet, whose access key is the name; returns the secret key.

        Only a server `with_users` knows of them. It reads the file at each request.
        """
        file, secret = self.users / "users.json", secrets.token_urlsafe(16)
        known = json.loads(file.read_text(encoding="utf-8"))
        known["accessAccounts"][name] = {"access": name, "secret": secret, "role": "user"}
        file.write_text(json.dumps(known), encoding="utf-8")
        return secret


def with_users(progress: Progress) -> Path:
    """The server of s3_users/main.go, built once from the sandbox's Go modules."""
    go = find_go(SANDBOX.go_needed(), progress)
    source = Path(__file__).parent / "s3_users" / "main.go"
    mark = hashlib.sha256(source.read_bytes() + SANDBOX.key(go.version).encode()).hexdigest()[:12]
    target = paths.cache_dir() / "tests" / f"s3_users-{mark}"
    target.parent.mkdir(parents=True, exist_ok=True)
    with exclusive(target.parent / "lock", progress, "another build of the tests' S3 server"):
        if not target.exists():
            call = [go.path, "build", *SANDBOX.flags(), "-o", f"{target}.new", str(source)]
            subprocess.run(call, cwd=SANDBOX.directory, env=go.environment(), check=True)
            Path(f"{target}.new").replace(target)
    return target


@dataclass
class Recorded:
    """What clients of the store asked for: names of operations with their parameters."""

    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)

    def actions(self) -> set[str]:
        """The actions of IAM that they need."""
        return {ACTIONS[operation] for operation, _ in self.calls}


# The service authorization reference of Amazon S3: which action lets which operation pass.
ACTIONS = {
    "AbortMultipartUpload": "s3:AbortMultipartUpload",
    "CompleteMultipartUpload": "s3:PutObject",
    "CreateMultipartUpload": "s3:PutObject",
    "DeleteObject": "s3:DeleteObject",
    "GetObject": "s3:GetObject",
    "HeadObject": "s3:GetObject",
    "ListMultipartUploads": "s3:ListBucketMultipartUploads",
    "ListObjects": "s3:ListBucket",
    "ListObjectsV2": "s3:ListBucket",
    "PutObject": "s3:PutObject",
    "UploadPart": "s3:PutObject",
}


@contextmanager
def recording(monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorded]:
    """Write down every call of a Store of this process. One that no role allows fails the test."""
    found, make = Recorded(), s3.client

    def note(params: dict[str, Any], model: Any, **_: Any) -> None:
        found.calls.append((model.name, dict(params)))

    def client(*arguments: Any, **options: Any) -> Any:
        made: Any = make(*arguments, **options)
        made.meta.events.register("provide-client-params.s3", note)
        return made

    monkeypatch.setattr(s3, "client", client)
    yield found
    allowed = {grants.LIST, grants.PARTS, *grants.READ, *grants.WRITE}
    foreign = sorted({operation for operation, _ in found.calls if ACTIONS.get(operation) not in allowed})
    assert not foreign, f"{foreign} need an action that no role of components/grants.py has"


@contextmanager
def gateway(
    folder: Path, *, users: bool = False, address: str = "", wrapper: Sequence[str] = ()
) -> Iterator[S3]:
    """The server, until the block ends; a later one of the same folder has the same data.

    users: one that knows others than its root. address: host:port in place of a free port of this machine.
    wrapper: a command that starts it elsewhere, such as in a network of its own.
    """
    (folder / "data").mkdir(exist_ok=True)
    (folder / "users").mkdir(exist_ok=True)
    address = address or f"127.0.0.1:{free_port()}"
    found = S3(f"http://{address}", folder / "data", "access", secrets.token_urlsafe(16))
    if users:
        arguments = [str(with_users(Progress())), address, str(found.users), str(found.data)]
    else:
        arguments = [str(binaries(Progress())["versitygw"]), "--port", address, "posix", str(found.data)]
    keys = {"ROOT_ACCESS_KEY": found.access_key, "ROOT_SECRET_KEY": found.secret_key}
    log = folder / "log"
    with log.open("wb") as out:
        process = subprocess.Popen([*wrapper, *arguments], stdout=out, stderr=out, env={**os.environ, **keys})
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
