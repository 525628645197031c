"""A change of passwords with servers of this machine: their Secrets' files, and clients that log in."""

from __future__ import annotations

import base64
import itertools
import random
import shutil
import threading
import time
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pymysql
from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError
from redis.retry import Retry

from facts.pods import password_key
from filewallball.errors import UserError
from filewallball.passwords.credentials import Credentials
from filewallball.passwords.proof.logins import ACCESS_DENIED, Login, prove
from filewallball.passwords.servers import Server

SIZES = {"valkey": 3, "valkey-sentinel": 5}
SECONDS = 30.0
_NUMBERS = itertools.count(1)


class Mounted:
    """A Secret's files as a kubelet mounts them, and replaces them all at once: by a folder behind a link."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        shutil.rmtree(folder, ignore_errors=True)
        folder.mkdir(parents=True)

    def update(self, keys: Mapping[str, str]) -> None:
        made = self.folder / f"..moment-{next(_NUMBERS)}"
        made.mkdir()
        for key, text in keys.items():
            (made / key).write_text(text)
        link = self.folder / "..data"
        before = link.resolve() if link.exists() else None
        (self.folder / "..data_tmp").symlink_to(made.name)
        (self.folder / "..data_tmp").rename(link)
        for path in self.folder.iterdir():
            if not path.name.startswith("..") and path.name not in keys:
                path.unlink()
        for key in keys:
            if not (self.folder / key).is_symlink():
                (self.folder / key).symlink_to(f"..data/{key}")
        if before:
            shutil.rmtree(before)


class World:
    """The cluster of a change (filewallball/passwords/change.py), for one server.

    Each pod's files follow the Secret by themselves, one sooner and one later. `in_grace` is called once when
    applications have their time.
    """

    def __init__(
        self,
        server: Server,
        passwords: Mapping[str, str],
        folders: Sequence[Path],
        hosts: Mapping[str, str],
        in_grace: Callable[[], None] = lambda: None,
    ) -> None:
        self._server, self._hosts, self._in_grace = server, hosts, in_grace
        self._data = {password_key(user): text for user, text in passwords.items()}
        self._version = 1
        self._mounts = [Mounted(folder) for folder in folders]
        self._kubelets: list[threading.Thread] = []
        self.lines: list[str] = []
        for mount in self._mounts:
            mount.update(self._data)

    @contextmanager
    def alone(self) -> Generator[None]:
        yield

    def sizes(self) -> Mapping[str, int]:
        return SIZES

    def read(self, server: Server) -> Credentials:
        data = {key: base64.b64encode(text.encode()).decode() for key, text in self._data.items()}
        meta = {"name": server.secret, "resourceVersion": str(self._version)}
        return Credentials.read({"metadata": meta, "data": data}, server.users)

    def write(self, server: Server, before: Credentials, after: Credentials) -> Credentials:
        self._settle()
        changed = after.patch(before)["data"]
        self._data |= {key: base64.b64decode(value).decode() for key, value in changed.items() if value}
        self._data = {key: text for key, text in self._data.items() if changed.get(key, "") is not None}
        self._version += 1
        self._kubelets = [threading.Thread(target=self._bring, args=(mount,)) for mount in self._mounts]
        for kubelet in self._kubelets:
            kubelet.start()
        return self.read(server)

    def prove(self, logins: Sequence[Login]) -> None:
        if faults := prove([replace(one, host=self._hosts[one.host]) for one in logins], SECONDS, self.say):
            raise UserError("; ".join(faults))

    def late(self, chosen: Sequence[Server], since: datetime) -> list[str]:
        return []

    def set_in_environment(self, chosen: Sequence[Server], since: datetime) -> list[str]:
        return []

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait(self, seconds: float, what: str) -> None:
        # What starts in the grace mounts the Secret as it is, while other pods' files may still be older.
        self._settle()
        in_grace, self._in_grace = self._in_grace, lambda: None
        in_grace()
        time.sleep(seconds)

    def say(self, text: str) -> None:
        self.lines.append(text)

    def _settle(self) -> None:
        for kubelet in self._kubelets:
            kubelet.join()

    def _bring(self, mount: Mounted) -> None:
        time.sleep(random.uniform(0, 0.5))
        mount.update(dict(self._data))


class Clients:
    """Log in all the time, each with the password that its file has at that moment, and count the refusals.

    enter: logs in with a password. hold: one more client, which reads its file once, and again at `restart`.
    """

    def __init__(self, folder: Path, logins: Mapping[str, Callable[[str], None]]) -> None:
        self._folder = folder
        self._stop = threading.Event()
        self.entered = 0
        self.refused: list[str] = []
        self.held = {user: self._read(user) for user in logins}
        reads: list[Callable[[str], str]] = [self._read, lambda user: self.held[user]]
        self._threads = [
            threading.Thread(target=self._run, args=(user, enter, read))
            for user, enter in logins.items()
            for read in reads
        ]

    def restart(self) -> None:
        """Those that read their file when they start do so again."""
        self.held = {user: self._read(user) for user in self.held}

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def _run(self, user: str, enter: Callable[[str], None], read: Callable[[str], str]) -> None:
        while not self._stop.wait(0.01):
            try:
                enter(read(user))
                self.entered += 1
            except AuthenticationError as error:
                self.refused.append(f"{user}: {error}")
            except pymysql.OperationalError as error:
                if error.args[0] in ACCESS_DENIED:
                    self.refused.append(f"{user}: {error}")
            except Exception:  # noqa: BLE001 - a server that is away has refused nobody
                time.sleep(0.05)

    def _read(self, user: str) -> str:
        while True:
            try:
                return (self._folder / password_key(user)).read_text()
            except FileNotFoundError:
                pass


def redis_login(host: str, port: int, user: str) -> Callable[[str], None]:
    def enter(password: str) -> None:
        client: Any = Redis(
            host=host, port=port, username=user, password=password, protocol=2, driver_info=None,
            socket_timeout=2, socket_connect_timeout=1, retry=Retry(NoBackoff(), 0),
        )  # fmt: skip
        try:
            client.ping()
        finally:
            client.close()

    return enter


def mariadb_login(host: str, port: int, user: str) -> Callable[[str], None]:
    def enter(password: str) -> None:
        pymysql.connect(host=host, port=port, user=user, password=password, connect_timeout=2).close()

    return enter
