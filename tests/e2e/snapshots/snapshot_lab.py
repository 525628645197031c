"""Session servers, a store and a throw-away server as plain processes, and the job run against them."""

from __future__ import annotations

import contextlib
import io
import os
import secrets
import signal
import subprocess
import sys
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any
from unittest.mock import patch

from local_set import FILES, MASTER, LocalSet, Process, wait_for
from redis import Redis
from s3_gateway import S3

from facts.valkey import CLOCK, CLOCK_DB
from filewallball.backup.settings import StoreSettings
from filewallball.backup.store import Store
from filewallball.snapshots import catalogue
from filewallball.snapshots.__main__ import main
from filewallball.snapshots.databases import DATABASES, STAGING, is_own
from filewallball.snapshots.manifest import Manifest

CONFIGURATION = FILES.parent / "snapshots" / "throwaway.conf"
_WORK = "/work"
# How to read a value of each type so that equal ones compare as equal.
READ: dict[bytes, Any] = {
    b"string": lambda client, key: client.get(key),
    b"hash": lambda client, key: client.hgetall(key),
    b"set": lambda client, key: client.smembers(key),
    b"zset": lambda client, key: client.zrange(key, 0, -1, withscores=True),
    b"list": lambda client, key: client.lrange(key, 0, -1),
    b"stream": lambda client, key: client.xrange(key),
}


class Throwaway:
    """The image's server under the job's own configuration; its folder lies inside the unpacked image."""

    def __init__(self, tree: Path) -> None:
        mark = secrets.token_hex(3)
        self.folder = tree / f"snp-{mark}"
        (self.folder / "throwaway").mkdir(parents=True, mode=0o700)
        text = CONFIGURATION.read_text().replace(_WORK, f"/{self.folder.name}")
        (self.folder / "throwaway.conf").write_text(text)
        self.log = self.folder / "log"
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                ["chroot", str(tree), "valkey-server", f"/{self.folder.name}/throwaway.conf"],
                stdout=log, stderr=log,
            )  # fmt: skip

    def close(self) -> None:
        self.process.kill()
        self.process.wait()


@dataclass
class Lab:
    """The set, a bucket of its own, and what the pod of the CronJob has in its environment."""

    servers: LocalSet
    throwaway: Throwaway
    s3: S3
    bucket: str = field(default_factory=lambda: f"bucket-{secrets.token_hex(4)}")

    def __post_init__(self) -> None:
        (self.s3.data / self.bucket).mkdir()
        self.secrets = self.throwaway.folder / "secrets"
        self.secrets.mkdir(exist_ok=True)
        for name in ("backup", "sentinel"):
            (self.secrets / name).write_text(self.servers.passwords[name])
        (self.secrets / "access").write_text(self.s3.access_key)
        (self.secrets / "secret").write_text(self.s3.secret_key)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "PATH": os.environ["PATH"],
            "FWB_VALKEY_SENTINELS": ",".join(f"{one.pod.host}:26379" for one in self.servers.sentinels),
            "FWB_VALKEY_MASTER": MASTER,
            "FWB_VALKEY_PASSWORD_FILE": str(self.secrets / "backup"),
            "FWB_VALKEY_SENTINEL_PASSWORD_FILE": str(self.secrets / "sentinel"),
            "FWB_SNAPSHOTS_KEEP": "24",
            "FWB_STORE_BUCKET": self.bucket,
            "FWB_STORE_PREFIX": "valkey/",
            "FWB_STORE_REGION": "us-east-1",
            "FWB_STORE_ENDPOINT": self.s3.endpoint,
            "FWB_STORE_ACCESS_KEY_FILE": str(self.secrets / "access"),
            "FWB_STORE_SECRET_KEY_FILE": str(self.secrets / "secret"),
            # Beside the server's folder: a file is handed over by a hard link.
            "FWB_WORK_DIR": str(self.throwaway.folder),
            "FWB_WORK_SIZE": "200Mi",
            "FWB_THROWAWAY_DIR": str(self.throwaway.folder / "throwaway"),
        }

    def run(self, *arguments: str, code: int = 0, **environment: str) -> str:
        """Run a command of the job to its end, in this process; what it said."""
        said = io.StringIO()
        handlers = {number: signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGINT)}
        with (
            patch.dict(os.environ, self.environment | environment),
            contextlib.redirect_stdout(said),
            contextlib.redirect_stderr(said),
        ):
            try:
                found = main(arguments)
            finally:
                for number, handler in handlers.items():
                    signal.signal(number, handler)
        assert found == code, said.getvalue()
        return said.getvalue()

    def start(self, *arguments: str, **environment: str) -> subprocess.Popen[str]:
        """The same as a process of its own, to be interrupted."""
        return subprocess.Popen(
            [sys.executable, "-m", "filewallball.snapshots", *arguments],
            env=self.environment | environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
        )  # fmt: skip

    def take(self) -> Manifest:
        """A snapshot of now."""
        said = self.run("run")
        name = said.rstrip().rpartition(" ")[2]
        assert f"snapshot: OK {name}" in said
        return catalogue.find(self.store(), name)

    def entries(self) -> list[catalogue.Entry]:
        return catalogue.entries(self.store())

    def store(self) -> Store:
        return Store(
            StoreSettings(
                self.bucket, "valkey/", self.s3.endpoint, "us-east-1", self.s3.access_key, self.s3.secret_key
            )
        )

    def file(self, name: str) -> Path:
        """A stored object as the gateway has it on disk."""
        return self.s3.data / self.bucket / "valkey" / name

    @cached_property
    def primary(self) -> Process:
        """The primary when the test began; the tests here leave it that."""
        return self.servers.wait_whole()

    def client(self, each: Process | None = None, database: int = 0) -> Any:
        """As an application; to the primary, unless another is named."""
        return Redis(
            host=(each or self.primary).pod.host, db=database, password=self.servers.passwords["app"]
        )

    def contents(self, each: Process | None = None) -> dict[tuple[int, bytes], tuple[Any, int]]:
        """Every key of the applications' databases: its value, whatever its type, and when it expires."""
        found: dict[tuple[int, bytes], tuple[Any, int]] = {}
        with self.client(each) as client:
            databases = [int(name[2:]) for name in client.info("keyspace")]
        for database in databases:
            if database >= STAGING:
                continue
            with self.client(each, database) as client:
                keys = [one for one in client.scan_iter(count=1000) if not is_own(database, one)]
                pipeline = client.pipeline(transaction=False)
                for key in keys:
                    pipeline.type(key)
                kinds = pipeline.execute()
                for key, kind in zip(keys, kinds, strict=True):
                    READ[kind](pipeline, key)
                    pipeline.pexpiretime(key)
                answers = iter(pipeline.execute())
                found |= {(database, key): (next(answers), next(answers)) for key in keys}
        return found

    def flush(self) -> None:
        """What FLUSHALL does, which no user may do: the agents' clock goes, too."""
        with self.as_backup(0) as client:
            for database in (*DATABASES, STAGING):
                client.execute_command("SELECT", database)
                client.flushdb()
            client.function_flush()

    def empty(self) -> None:
        """The same, but the clock stays: it would be back within a second."""
        with self.as_backup(0) as client:
            for database in {*DATABASES, STAGING} - {CLOCK_DB}:
                client.execute_command("SELECT", database)
                client.flushdb()
            client.execute_command("SELECT", CLOCK_DB)
            if others := [key for key in client.scan_iter(count=1000) if key != CLOCK.encode()]:
                client.delete(*others)
            client.function_flush()

    def as_backup(self, database: int) -> Any:
        """The primary, as the job's own user."""
        return Redis(
            host=self.primary.pod.host, db=database, username="backup",
            password=self.servers.passwords["backup"],
        )  # fmt: skip

    def wait_linked(self) -> None:
        """Until each replica is linked and has all that the primary has now."""

        def followed() -> bool:
            with self.client() as client:
                states = [one for name, one in client.info("replication").items() if name.startswith("slave")]
                online = [one for one in states if isinstance(one, dict) and one["state"] == "online"]
                return len(online) == len(self.servers.members) - 1 == client.wait(len(online), 1000)

        wait_for(followed, 30, lambda: str(self.servers.roles()))

    def wait_same_everywhere(self) -> None:
        """Until each replica holds what the primary does."""

        def same() -> bool:
            wanted = self.contents()
            return all(self.contents(one) == wanted for one in self.servers.members)

        wait_for(same, 20, lambda: "they differ")
