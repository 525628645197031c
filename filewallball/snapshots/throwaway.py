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
from functools import partial
from pathlib import Path
from typing import Any

from redis import Redis
from redis.backoff import NoBackoff
from redis.exceptions import ConnectionError, RedisError, ResponseError
from redis.retry import Retry

from filewallball.errors import UserError
from filewallball.snapshots import functions
from filewallball.snapshots.databases import DATABASES, STAGING, is_own
from filewallball.snapshots.digest import Digest
from filewallball.snapshots.functions import Library
from filewallball.snapshots.manifest import Content
from filewallball.snapshots.pieces import PIECE, Command, Piece, pieces

_START_SECONDS = 60.0
_SCAN = 500
"""Keys that one SCAN looks at."""
_NOWHERE = ("127.0.0.1", "1")
_SCRATCH = STAGING
_KEY = object()
_ABOUT = (
    ("MEMORY", "USAGE", _KEY, "SAMPLES", 0),
    ("PEXPIRETIME", _KEY),
    ("OBJECT", "IDLETIME", _KEY),
)
"""All elements are measured: a sample would miss one large element among many small ones."""
_ANSWER_SECONDS = 600.0
_ENDED = (
    "It may have run out of memory. Raise filewallball:valkey.resources.memoryLimit, run `fwb up`, and run "
    "the command again."
)


@dataclass(frozen=True)
class Key:
    """One key of the snapshot. `expires`: Unix time in milliseconds. `idle`: seconds since its last use."""

    name: bytes
    expires: int | None
    idle: int
    memory: int

    @property
    def large(self) -> bool:
        """Whether it goes to another server in pieces."""
        return self.memory > PIECE


class Throwaway:
    """The server, by its socket. Every method raises UserError."""

    def __init__(self, folder: Path, clients: dict[int, Any]) -> None:
        self._folder = folder
        self._clients = clients

    @property
    def version(self) -> str:
        """The server's version, such as 8.1.1."""
        info = self._info("server")
        return info.get("valkey_version") or info["redis_version"]

    def load(self, path: Path) -> None:
        """Hold all that the file holds, and nothing else. Raises UserError if the server won't load it.

        The server reads the file to its end, compares its checksum, and says how many keys it has read.
        """
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
                "The log of the pod's container `throwaway` says where it is damaged. Use "
                "another snapshot: `fwb valkey backup list STACK` shows them.",
            ) from error
        finally:
            place.unlink(missing_ok=True)
        self._check_loaded()

    def _check_loaded(self) -> None:
        said = self._info("persistence")
        read, dropped = int(said["rdb_last_load_keys_loaded"]), int(said["rdb_last_load_keys_expired"])
        held = sum(self._keys().values())
        if dropped or held != read:
            raise UserError(
                f"The server holds {held} keys, but has read {read + dropped} in the file.",
                "Run the command again. If it happens again, test the node's memory.",
            )

    def memory(self) -> int:
        """Bytes that the data takes."""
        return int(self._info("memory")["used_memory_dataset"])

    def functions(self) -> dict[str, Library]:
        """The libraries of functions, by name."""
        with _errors():
            return functions.held(self._clients[0].execute_command)

    def held(self, step: Callable[[int], None]) -> dict[int, Content]:
        """Every database of applications that holds keys; `step` hears the keys counted so far."""
        found: dict[int, Content] = {}
        counted = 0
        for database in sorted(self._keys().keys() & set(DATABASES)):
            digest, keys, expires = Digest(database), 0, 0
            for group in self.groups(database):
                for key, value in zip(group, self.values_summed(database, group), strict=True):
                    digest.add(key.name, key.expires, value)
                    expires += key.expires is not None
                keys += len(group)
                step(counted + keys)
            counted += keys
            if keys:
                found[database] = Content(keys, expires, digest.hexdigest())
        return found

    def groups(self, database: int) -> Iterator[list[Key]]:
        """All keys of applications in a database, as many at a time as may be in hand with their values."""
        cursor = b"0"
        while True:
            cursor, names = self._run(database, "SCAN", cursor, "COUNT", _SCAN)
            yield from self._grouped(database, [one for one in names if not is_own(database, one)])
            if int(cursor) == 0:
                return

    def pieces(self, database: int, key: Key) -> Iterator[Piece]:
        """A large key's value in pieces."""
        return pieces(partial(self._run, database), key.name, key.memory)

    def answer(self, database: int, ask: Command) -> Any:
        """What this server answers to a piece's question."""
        return self._run(database, *ask)

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
            (tuple(name if word is _KEY else word for word in asked) for name in names for asked in _ABOUT),
        )
        group: list[Key] = []
        for number, name in enumerate(names):
            memory, expires, idle = answers[3 * number : 3 * number + 3]
            key = Key(name, None if expires < 0 else int(expires), int(idle), int(memory))
            if group and sum(one.memory for one in group) + key.memory > PIECE:
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

    def _keys(self) -> dict[int, int]:
        """How many keys each database holds."""
        said = self._info("keyspace")
        return {int(name[2:]): int(one.split(",")[0].removeprefix("keys=")) for name, one in said.items()}

    def _info(self, section: str) -> dict[str, str]:
        lines = self._run(0, "INFO", section).decode().splitlines()
        return dict(line.split(":", 1) for line in lines if ":" in line)

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
            number: stack.enter_context(_client(socket, number)) for number in (*DATABASES, _SCRATCH)
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
                        "Look at the log of the pod's container `throwaway`, which says why.",
                    ) from error
                time.sleep(0.1)
        yield Throwaway(folder, clients)


def _client(socket: Path, database: int) -> Any:
    make: Any = Redis  # half of redis-py's arguments and commands have no types
    client = make(
        unix_socket_path=str(socket),
        db=database,
        redis_connect_func=_see_everything,
        socket_timeout=_ANSWER_SECONDS,
        retry=Retry(NoBackoff(), 0),
    )
    client.response_callbacks.clear()  # answers as the server gives them: a message's fields may occur twice
    return client


def _see_everything(connection: Any) -> None:
    connection.on_connect()
    connection.send_command("CLIENT", "IMPORT-SOURCE", "ON")
    connection.read_response()
