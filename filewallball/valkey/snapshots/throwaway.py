"""The throw-away server beside the job: it loads a snapshot, says what it then holds, and gives out its keys.

components/files/snapshots/throwaway.conf is its configuration. In import mode no key expires, so that a
snapshot can be proven as it was, however old it is.
"""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Generator, Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError, ResponseError
from redis.retry import Retry

from filewallball.errors import UserError
from filewallball.valkey.snapshots.digest import Digest
from filewallball.valkey.snapshots.manifest import Content

_START_SECONDS = 60.0
_SCAN = 500
# Values that are in hand at a time, in bytes as the server counts them; a larger one is alone.
_GROUP = 4 * 2**20
_NOWHERE = ("127.0.0.1", "1")
_DATABASES = 16
_SCRATCH = 15
_ANSWER_SECONDS = 600.0
_ENDED = "Was it out of memory? Raise filewallball:valkey.resources.memoryLimit, and run it again."


@dataclass(frozen=True)
class Key:
    """One key of the snapshot. `expires`: Unix time in milliseconds. `idle`: seconds since its last use."""

    name: bytes
    expires: int | None
    idle: int
    memory: int


@dataclass(frozen=True)
class Held:
    """A database as the server holds it. `outline`: what rdb.Database has under that name."""

    content: Content
    outline: str


class Throwaway:
    """The server, by its socket. Every method raises UserError."""

    def __init__(self, folder: Path, clients: dict[int, Any]) -> None:
        self._folder = folder
        self._clients = clients

    @property
    def version(self) -> str:
        """The server's version, such as 8.1.1."""
        info = self._run(0, "INFO", "server")
        return str(info.get("valkey_version") or info["redis_version"])

    def load(self, path: Path) -> None:
        """Hold what the file holds, and nothing else. Raises UserError if the server won't load it."""
        place = self._folder / "load.rdb"
        place.unlink(missing_ok=True)
        os.link(path, place)
        try:
            # A replica keeps what has expired when it loads a file; then, in import mode, it stays for good.
            self._run(0, "REPLICAOF", *_NOWHERE)
            self._run(0, "DEBUG", "RELOAD", "NOSAVE")
            self._run(0, "REPLICAOF", "NO", "ONE")
        except ResponseError as error:
            raise UserError(
                f"The file cannot be loaded by a server ({error}).",
                "It is worth nothing: the log of the pod's container `throwaway` says where it is damaged.",
            ) from error
        finally:
            place.unlink(missing_ok=True)

    def memory(self) -> int:
        """Bytes that the data takes."""
        return int(self._run(0, "INFO", "memory")["used_memory_dataset"])

    def held(self, step: Callable[[int], None]) -> dict[int, Held]:
        """Every database that holds keys; `step` hears the keys counted so far."""
        found: dict[int, Held] = {}
        counted = 0
        for database in sorted(int(name[2:]) for name in self._run(0, "INFO", "keyspace")):
            outline, digest, keys, expires = Digest(database), Digest(database), 0, 0
            for group in self.groups(database):
                for key, value in zip(group, self.values_summed(database, group), strict=True):
                    outline.add(key.name, key.expires)
                    digest.add(key.name, key.expires, value)
                    expires += key.expires is not None
                keys += len(group)
                step(counted + keys)
            counted += keys
            found[database] = Held(Content(keys, expires, digest.hexdigest()), outline.hexdigest())
        return found

    def groups(self, database: int) -> Iterator[list[Key]]:
        """All keys of a database, as many at a time as may be in hand with their values."""
        cursor = 0
        while True:
            with _errors():
                cursor, names = self._clients[database].scan(cursor, count=_SCAN)
            yield from self._grouped(database, names)
            if not cursor:
                return

    def values_summed(self, database: int, keys: Sequence[Key]) -> list[bytes]:
        """What sums up each key's value, the same for equal values however they are stored."""
        if not keys:
            return []
        return list(self._run(database, "DEBUG", "DIGEST-VALUE", *(key.name for key in keys)))

    def dumps(self, database: int, keys: Sequence[Key]) -> list[bytes]:
        """The keys' values in the form that RESTORE takes."""
        return self._pipeline(database, (("DUMP", key.name) for key in keys))

    def summed_up(self, values: Sequence[tuple[bytes, int | None]]) -> list[bytes]:
        """What sums up values that another server has dumped, each with when it expires."""
        if not values:
            return []
        names = [b"%d" % number for number in range(len(values))]
        try:
            self._pipeline(
                _SCRATCH,
                (
                    ("RESTORE", name, expires or 0, dump, "REPLACE", "ABSTTL")
                    for name, (dump, expires) in zip(names, values, strict=True)
                ),
            )
            return list(self._run(_SCRATCH, "DEBUG", "DIGEST-VALUE", *names))
        finally:
            self._run(_SCRATCH, "FLUSHDB")

    def _grouped(self, database: int, names: Sequence[bytes]) -> Iterator[list[Key]]:
        answers = self._pipeline(
            database,
            (
                (*asked, name)
                for name in names
                for asked in (("MEMORY", "USAGE"), ("PEXPIRETIME",), ("OBJECT", "IDLETIME"))
            ),
        )
        group: list[Key] = []
        for number, name in enumerate(names):
            memory, expires, idle = answers[3 * number : 3 * number + 3]
            key = Key(name, None if expires < 0 else int(expires), int(idle), int(memory))
            if group and sum(one.memory for one in group) + key.memory > _GROUP:
                yield group
                group = []
            group.append(key)
        if group:
            yield group

    def _pipeline(self, database: int, commands: Iterable[Sequence[Any]]) -> list[Any]:
        pipeline = self._clients[database].pipeline(transaction=False)
        for command in commands:
            pipeline.execute_command(*command)
        with _errors():
            return pipeline.execute()

    def _run(self, database: int, *command: Any) -> Any:
        with _errors():
            return self._clients[database].execute_command(*command)


@contextmanager
def _errors() -> Generator[None]:
    try:
        yield
    except ResponseError:
        raise
    except RedisError as error:
        raise UserError(f"The throw-away server has ended ({error}).", _ENDED) from error


@contextmanager
def throwaway(folder: Path) -> Generator[Throwaway]:
    """The server whose socket lies in `folder`, once it answers. Raises UserError if it doesn't."""
    socket = folder / "server.sock"
    with ExitStack() as stack:
        # One for each database, of which every connection may see what has expired.
        clients: dict[int, Any] = {
            number: stack.enter_context(_client(socket, number)) for number in range(_DATABASES)
        }
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                clients[0].ping()
                break
            except ConnectionError as error:
                if time.monotonic() > deadline:
                    raise UserError(
                        f"The throw-away server does not answer at {socket} ({error}).",
                        "The log of the pod's container `throwaway` says why.",
                    ) from error
                time.sleep(0.1)
        yield Throwaway(folder, clients)


def _client(socket: Path, database: int) -> Any:
    make: Any = Redis  # half of redis-py's arguments and commands have no types
    return make(
        unix_socket_path=str(socket),
        db=database,
        redis_connect_func=_see_everything,
        socket_timeout=_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )


def _see_everything(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("CLIENT", "IMPORT-SOURCE", "ON")
    connection.read_response()
