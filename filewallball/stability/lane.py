"""The load on one shard: bursts of requests at a fixed rate, each in turn with one to the reference."""

from __future__ import annotations

import threading
import time
from collections import Counter
from statistics import median
from typing import Any

from redis.crc import key_slot
from redis.exceptions import AskError, MovedError, ReadOnlyError, RedisError

from filewallball.errors import UserError
from filewallball.snapshots.settings import Address
from filewallball.stability import proving, servers
from filewallball.stability.finder import Finder
from filewallball.stability.histogram import Histogram
from filewallball.stability.reference import Reference
from filewallball.stability.segments import BURSTS, Segment

BURST_SECONDS = 0.0937
"""About. What a server does regularly seldom has this period: bursts of the same one would meet it always, or
never."""
KEYS = 50
VALUE_BYTES = 100
ROUND_TRIPS = 9
REDIRECTIONS = 3
TIMEOUT_SECONDS = 1.0
"""A request that takes longer is an error."""
MIX = ("GET", "SET", "GET", "GET", "SET", "GET", "TTL", "GET", "SET", "GET", "GET", "DEL")
"""Two thirds of the requests read, as with caches and sessions; these are repeated."""
READS = frozenset({"GET", "TTL"})


class Lane:
    """One thread's load. After `join` its counts are complete."""

    def __init__(
        self, finder: Finder, number: int, run: str, ttl: int, rate: float, reference: Address
    ) -> None:
        self.finder, self.number = finder, number
        self.shard = finder.deployment.shards[number]
        self.keys = [proving.key_of(finder.deployment, self.shard, f"{run}:{each}") for each in range(KEYS)]
        self.slot = key_slot(self.keys[0].encode())
        self._ttl = str(ttl)
        self._burst = max(1, round(rate * BURST_SECONDS))
        self._every = self._burst / rate
        self._reference_address = reference
        self.reads, self.writes = Histogram(), Histogram()
        self.segments: list[Segment] = []
        self.errors: Counter[str] = Counter()
        self.lost = 0
        self.redirects = 0
        self.longest_outage = 0.0
        self._down_since: float | None = None
        self._address = self.shard.primary.address
        self._client: Any = None
        self._connection: Any = None
        self._expected: dict[str, bytes] = {}
        self._late = self._busy = 0.0
        self._turn = self._bursts = 0
        self.done = 0

    def open(self) -> None:
        """Connect, and write once. Raises UserError if the server takes no write, whatever the reason."""
        with servers.errors(self.finder.target, self.shard.primary.address):
            self._connect()
            self._send("SET", self.keys[0], b"-", "EX", self._ttl)
            self._send("DEL", self.keys[0])

    def round_trip(self) -> float:
        """Seconds from a request to its reply, the middle of a few. Raises UserError."""
        taken: list[float] = []
        with servers.errors(self.finder.target, self.shard.primary.address):
            for _ in range(ROUND_TRIPS):
                before = time.perf_counter()
                self._send("GET", self.keys[0])
                taken.append(time.perf_counter() - before)
        return median(taken)

    def close(self) -> None:
        if self._client is not None:
            self._client.close()
        self._client = self._connection = None

    def run(self, begin: float, end: float, stop: threading.Event) -> None:
        """Send bursts from `begin` to `end`, in time.monotonic(). Whatever fails is counted."""
        reference = Reference(self._reference_address)
        due = begin
        while due < end and not stop.wait(max(0.0, due - time.monotonic())):
            reference.move()
            segment = self._segment(time.monotonic() - begin)
            for _ in range(self._burst):
                before = time.perf_counter()
                reference.ask()
                segment.reference.append((time.perf_counter() - before) * 1e6)
                self._request(segment)
                if self._connection is None or stop.is_set():
                    break  # each of the others would wait for the server as long
            # Requests that a slow server keeps waiting are late by its fault, which counts (wrk2's README).
            # What this machine is late by is not its fault.
            self._late = max(0.0, self._late + self._busy - self._every)
            self._busy = 0.0
            due += self._every
            if self._down_since is not None:
                # Nothing is caught up with after an outage: that would be another load.
                due, self._late = max(due, time.monotonic()), 0.0
        reference.close()
        self._up()
        if self.segments:
            self.segments[-1].end()

    def offset(self, place: int, lanes: int) -> float:
        """Seconds after the first lane's bursts: they come one after the other."""
        return self._every * place / lanes

    def notice(self) -> None:
        """See whether another server serves the shard by now, though no request has failed."""
        found = self.finder.deployment.shard_of(self.slot)
        if found is not None and found.primary.address != self.shard.primary.address:
            self.finder.changed(self.number, self.shard, found)
            self.shard = found

    @property
    def latest(self) -> list[float]:
        """Times of the running segment, in microseconds; another thread may add to them meanwhile."""
        return list(self.segments[-1].served) if self.segments else []

    def _segment(self, second: float) -> Segment:
        """The one that a burst at this second belongs to."""
        if self._bursts % BURSTS == 0:
            if self.segments:
                self.segments[-1].end()
            self.segments.append(Segment(round(second, 2)))
        self._bursts += 1
        return self.segments[-1]

    def _request(self, segment: Segment) -> None:
        word = MIX[self._turn % len(MIX)]
        key = self.keys[(self._turn * 7) % KEYS]
        self._turn += 1
        before = time.perf_counter()
        try:
            self._ask(word, key)
        except (RedisError, OSError, UserError) as error:
            segment.errors += 1
            self._failed(error, key)
            return
        seconds = time.perf_counter() - before
        self._busy += seconds
        segment.served.append(seconds * 1e6)
        whole = (seconds + self._late) * 1e6
        segment.whole.append(whole)
        self.done += 1
        (self.reads if word in READS else self.writes).add([whole])
        self._up()

    def _ask(self, word: str, key: str) -> None:
        if word == "SET":
            value = str(self._turn).encode().ljust(VALUE_BYTES)
            self._expected.pop(key, None)  # until it is acknowledged, both may be there
            self._follow("SET", key, value, "EX", self._ttl)
            self._expected[key] = value
        elif word == "DEL":
            self._expected.pop(key, None)
            self._follow("DEL", key)
        else:
            answer = self._follow(word, key)
            if word == "GET" and key in self._expected and answer != self._expected[key]:
                self.lost += 1
                del self._expected[key]

    def _follow(self, *words: Any) -> Any:
        """The reply; where the slot has moved, or moves at the moment, that of the server which has it."""
        for _ in range(REDIRECTIONS):
            try:
                return self._send(*words)
            except MovedError as error:
                self.redirects += 1
                # Nodes learn one after the other who has a slot: what they say together may be of before.
                self._reconnect(servers.redirected(str(error.args[0]), self._address))
            except AskError as error:
                self.redirects += 1
                return self._ask_other(servers.redirected(str(error.args[0]), self._address), words)
        return self._send(*words)

    def _ask_other(self, address: Address, words: tuple[Any, ...]) -> Any:
        """Ask the server to which the slot is on its way."""
        with servers.connect(self.finder.target.access, address) as client:
            connection = client.connection_pool.get_connection()
            connection.send_command("ASKING")
            connection.read_response()
            connection.send_command(*words)
            return connection.read_response()

    def _send(self, *words: Any) -> Any:
        connection = self._connection or self._connect()
        connection.send_packed_command(connection.pack_command(*words), check_health=False)
        return connection.read_response()

    def _connect(self, address: Address | None = None) -> Any:
        """To the shard's primary, or to another server that has its slot by now."""
        self.close()
        self._address = address or self.shard.primary.address
        self._client = servers.connect(self.finder.target.access, self._address, seconds=TIMEOUT_SECONDS)
        self._connection = self._client.connection_pool.get_connection()
        return self._connection

    def _reconnect(self, address: Address | None = None) -> None:
        self.finder.again()
        self.notice()
        self._connect(address)

    def _failed(self, error: Exception, key: str) -> None:
        self._expected.pop(key, None)
        self.errors[_name(error)] += 1
        if self._down_since is None:
            self._down_since = time.monotonic()
        if not isinstance(error, RedisError) or isinstance(error, ReadOnlyError) or _broken(error):
            self.close()
            try:
                self._reconnect()
            except (RedisError, OSError):
                self.close()

    def _up(self) -> None:
        if self._down_since is not None:
            self.longest_outage = max(self.longest_outage, time.monotonic() - self._down_since)
            self._down_since = None


def _broken(error: Exception) -> bool:
    return type(error).__name__ in ("ConnectionError", "TimeoutError", "BusyLoadingError", "ClusterDownError")


def _name(error: Exception) -> str:
    code = getattr(error, "status_code", None)
    return str(code or type(error).__name__)
