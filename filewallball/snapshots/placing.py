"""The part of a restore that writes to the set: stage, compare, change places."""

from __future__ import annotations

import time
from collections.abc import Sequence
from contextlib import ExitStack, suppress
from typing import Any

from redis.exceptions import RedisError

from facts.valkey import CLOCK_DB
from filewallball.backup.workdir import human
from filewallball.errors import UserError
from filewallball.jobs.joblog import Log
from filewallball.jobs.stopping import told
from filewallball.snapshots import functions
from filewallball.snapshots.comparing import Compared, compare
from filewallball.snapshots.databases import OWN, STAGING
from filewallball.snapshots.manifest import Manifest
from filewallball.snapshots.pieces import PIECE
from filewallball.snapshots.sessions import Server, SessionSet, errors
from filewallball.snapshots.settings import Address
from filewallball.snapshots.throwaway import Key, Throwaway

_REPLICA_SECONDS = 60.0
_FREED_SECONDS = 60.0
_POLL_SECONDS = 0.1


class Placing:
    """Puts a snapshot, which the throw-away server holds, in the place of the set's data."""

    def __init__(
        self, sessions: SessionSet, copy: Throwaway, manifest: Manifest, primary: Address, log: Log
    ) -> None:
        self._sessions = sessions
        self._copy = copy
        self._manifest = manifest
        self._primary = primary
        self._log = log
        self._staging: Any = sessions.raw(primary, STAGING)
        self._cleared = False
        self._placed: list[int] = []
        self._replicas = 0

    def check_servers(self) -> None:
        """Raise UserError if a server has no database to stage in: it still runs with older settings."""
        replicas = self._sessions.replicas(self._primary)
        for address in [self._primary, *replicas]:
            with errors(f"Asking {address}"), self._sessions.connect(address, STAGING) as client:
                client.ping()
        self._replicas = len(replicas)

    def check_room(self) -> None:
        """Raise UserError if the snapshot is larger than the set may ever be."""
        server = self._sessions.look(self._primary)
        if server.maxmemory and self._manifest.memory > server.maxmemory:
            raise UserError(
                f"{self._manifest.name} takes {human(self._manifest.memory)}, but the set's maxmemory is"
                f" {human(server.maxmemory)}: keys would be evicted again.",
                "Raise filewallball:valkey.maxmemory, run `fwb up`, and then restore.",
            )

    def run(self) -> None:
        """Do it. Raises UserError, whose hint says what the set holds then."""
        try:
            with told(), errors(f"Restoring to {self._primary}"):
                self._make_room()
                for number in sorted(self._manifest.databases):
                    self._place(number)
                self._clear_others()
                self._place_functions()
            with self._log.step("check") as done:
                done += self._checked()
        except UserError as error:
            with suppress(RedisError):
                self._staging.execute_command("FLUSHDB", "ASYNC")
            raise error.retold(error.message, f"{error.hint} {self._state()}".strip()) from error
        finally:
            self._staging.close()

    def _state(self) -> str:
        """What the set holds when it failed, and what to do."""
        again = (
            f"Run `fwb valkey restore STACK --name {self._manifest.name}` again: it starts from the "
            "beginning."
        )
        missing = sorted(self._manifest.databases.keys() - set(self._placed))
        if not missing:
            # But for functions, perhaps, which come last.
            return f"All of the snapshot is in place. {again}"
        if self._cleared:
            return f"The set was emptied to make room, and the snapshot isn't in place yet. {again}"
        if self._placed:
            return f"The snapshot is in place, but not in database {', '.join(map(str, missing))}. {again}"
        return f"Users still have what they had. {again}"

    def _make_room(self) -> None:
        """Empty the staging database; and the users' too, if both sets of data don't fit at once."""
        self._staging.execute_command("FLUSHDB", "ASYNC")
        server = self._sessions.look(self._primary)
        if self._fits(server):
            return
        self._log.say(
            f"room: {human(server.counted_memory)} in use and {human(self._manifest.memory)} to come are more"
            f" than {human(server.maxmemory)}: the set is emptied first"
        )
        self._cleared = True
        for number in server.keys_of:
            if number in self._manifest.covered:
                self._swap(number)
        deadline = time.monotonic() + _FREED_SECONDS
        while not self._fits(self._sessions.look(self._primary)) and time.monotonic() < deadline:
            time.sleep(_POLL_SECONDS)

    def _fits(self, server: Server) -> bool:
        return not server.maxmemory or server.counted_memory + self._manifest.memory <= server.maxmemory

    def _place(self, number: int) -> None:
        evicted = self._sessions.look(self._primary).evicted
        with self._log.step(f"stage database {number}") as done:
            written = sum(self._write(number, group) for group in self._copy.groups(number))
            done += [f"{written} keys written"]
            if gone := self._manifest.databases[number].keys - written:
                done += [f"{gone} have expired since the snapshot"]
        with self._log.step(f"compare database {number}") as done:
            compared = self._compare(number, [self._primary, *self._caught_up()])
            lost = self._sessions.look(self._primary).evicted - evicted
            for address, found in compared.items():
                self._judge(address, found, lost)
                said = [f"{found.equal} equal"]
                said += [f"{found.expired} expired"] if found.expired else []
                said += [f"{found.missing} evicted"] if found.missing else []
                done += [f"{address}: {' and '.join(said)}"]
        self._swap(number)
        self._placed.append(number)
        self._log.say(f"database {number}: the snapshot is in place")

    def _swap(self, number: int) -> None:
        """Let a database hold what is staged, which may be nothing, and drop what it held."""
        # In one transaction: nobody sees the staging database in between, not even after an interruption.
        pipeline = self._staging.pipeline(transaction=True)
        pipeline.execute_command("SWAPDB", number, STAGING)
        for key in OWN if number == CLOCK_DB else ():
            pipeline.execute_command("MOVE", key, number)
        pipeline.execute_command("FLUSHDB", "ASYNC")
        pipeline.execute()

    def _write(self, number: int, group: Sequence[Key]) -> int:
        now = time.time() * 1000
        if group[0].large:
            return self._write_pieces(number, group[0]) if _lasts(group[0], now) else 0
        dumps = self._copy.dumps(number, group)
        pipeline = self._staging.pipeline(transaction=False)
        for key, dump in zip(group, dumps, strict=True):
            if _lasts(key, now):
                options = ("REPLACE", "ABSTTL", "IDLETIME", key.idle)
                pipeline.execute_command("RESTORE", key.name, key.expires or 0, dump, *options)
        written = len(pipeline.execute())
        self._pass_on()
        self._log.progress(f"up to {group[-1].name[:40]!r}")
        return written

    def _write_pieces(self, number: int, key: Key) -> int:
        written = 0
        for piece in self._copy.pieces(number, key):
            pipeline = self._staging.pipeline(transaction=False)
            for command in piece.write:
                pipeline.execute_command(*command)
            pipeline.execute()
            written += piece.size
            if written >= PIECE:
                self._pass_on()
                written = 0
            self._log.progress(f"a part of {key.name[:40]!r}")
        if key.expires is not None:
            self._staging.execute_command("PEXPIREAT", key.name, key.expires)
        self._pass_on()
        return 1

    def _pass_on(self) -> None:
        """Let replicas get all that was written: their buffers on the primary never fill up."""
        if self._staging.wait(self._replicas, int(_REPLICA_SECONDS * 1000) // 4) < self._replicas:
            # A value that is larger than such a buffer makes them copy everything anew.
            self._caught_up()

    def _caught_up(self) -> list[Address]:
        """The linked replicas, once they have all that the primary has now."""
        wanted = self._sessions.look(self._primary).offset
        deadline = time.monotonic() + _REPLICA_SECONDS
        while True:
            replicas = self._sessions.replicas(self._primary)
            behind = [one for one in replicas if self._sessions.look(one).offset < wanted]
            late = time.monotonic() > deadline
            if not behind and (late or len(replicas) >= self._replicas):
                self._replicas = len(replicas)
                return replicas
            if late:
                raise UserError(
                    f"{', '.join(map(str, behind))} did not catch up with the primary in"
                    f" {_REPLICA_SECONDS:.0f} s.",
                    "Run `fwb check STACK valkey-replicas`, and do what it says.",
                )
            time.sleep(_POLL_SECONDS)

    def _compare(self, number: int, servers: Sequence[Address]) -> dict[Address, Compared]:
        """Every key of the snapshot with what each server has staged."""
        found = {address: Compared() for address in servers}
        with ExitStack() as stack:
            clients = {
                address: stack.enter_context(self._sessions.raw(address, STAGING)) for address in servers
            }
            for client in clients.values():
                # Looked at is not used: which keys are evicted first stays as it was.
                client.execute_command("CLIENT", "NO-TOUCH", "ON")
            compared = {client: found[address] for address, client in clients.items()}
            for group in self._copy.groups(number):
                compare(self._copy, number, group, compared)
                self._log.progress(f"{found[servers[0]].equal} keys equal")
            for address, client in clients.items():
                if (size := client.dbsize()) > self._manifest.databases[number].keys:
                    raise UserError(
                        f"{address} has {size} keys in database {STAGING}: another program writes there.",
                        "Stop that program.",
                    )
        return found

    def _judge(self, address: Address, found: Compared, evicted: int) -> None:
        if found.differing or found.missing > evicted:
            raise UserError(
                f"{address} does not hold what the snapshot does: {found.differing} keys differ,"
                f" {found.missing} are missing, {found.equal} are equal; {evicted} were evicted.",
                "Another program may have changed keys meanwhile.",
            )

    def _clear_others(self) -> None:
        """What the snapshot knows to be empty is emptied."""
        for number in self._sessions.look(self._primary).keys_of:
            if number in self._manifest.covered and number not in self._manifest.databases:
                self._swap(number)
                self._log.say(f"database {number}: emptied, as in the snapshot")

    def _place_functions(self) -> None:
        wanted = self._copy.functions()
        with self._log.step("functions") as done:
            if functions.held(self._staging.execute_command) != wanted:
                functions.place(self._staging, wanted)
            for address in [self._primary, *self._caught_up()]:
                with self._sessions.raw(address, STAGING) as client:
                    if functions.held(client.execute_command) != wanted:
                        raise UserError(
                            f"{address} does not hold the functions that the snapshot does.",
                            "Another program may have changed functions meanwhile.",
                        )
            done += [f"{len(wanted)} libraries in place" if wanted else "none"]

    def _checked(self) -> list[str]:
        """One primary, and replicas that have followed it."""
        primary = self._sessions.primary()
        if primary != self._primary:
            raise UserError(
                f"{primary} has become the primary in place of {self._primary}.",
                "Run `fwb check STACK`, and do what it says.",
            )
        replicas = self._caught_up()
        if not replicas:
            raise UserError(
                "No replica is linked to the primary.", "Run `fwb check STACK`, and do what it says."
            )
        return [f"one primary, {primary}", f"{len(replicas)} replicas followed it"]


def _lasts(key: Key, now: float) -> bool:
    return key.expires is None or key.expires > now
