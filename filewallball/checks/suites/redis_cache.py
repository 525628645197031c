"""The read-through workload: does the cache, as configured, give the hit rate that it is there for?

The working set is what the requirements' thousand concurrent users look at: file metadata (kept 3600 s),
sessions (86400 s) and upload progress (600 s), 8,000 entries of about 9 MB together, asked for 80,000 times
with a Zipf law. A cache with room for it misses each entry once (at most 10 % of all look-ups); one that is
far too small, or forgets early, falls below the 80 % that are asked for.
"""

from __future__ import annotations

import itertools
import random
import time
import uuid
from collections.abc import Sequence
from dataclasses import dataclass, field

from redis.exceptions import RedisError

from facts.checks.redis import RedisTarget
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed
from filewallball.checks.stats import zipf_choices
from filewallball.checks.suites.redis_session import Session, set_back, writing

SEED = 20240725
ENTRIES = 8_000
LOOKUPS = 80_000
SKEW = 0.8
"""How much more often some entries are read than others: the exponent of a Zipf distribution."""
BATCH = 100
"""Reads that run at the same time, as from a small fleet of clients."""
TTL_SAMPLES = 60
TTL_SLACK_MS = 1_000


@dataclass(frozen=True, slots=True)
class Kind:
    """A kind of cached thing: key pattern, time to live in seconds, size in bytes, share of the entries."""

    pattern: str
    ttl: int
    size: int
    share: float


KINDS = (
    Kind("file:meta:{}", 3_600, 1_200, 0.70),
    Kind("session:user:{}", 86_400, 900, 0.20),
    Kind("temp:upload:progress:{}", 600, 200, 0.10),
)


@dataclass(frozen=True, slots=True)
class Entry:
    key: str
    value: str
    kind: Kind


@dataclass(slots=True)
class Tally:
    """What the client itself saw."""

    hits: int = 0
    misses: int = 0
    wrong: int = 0
    faults: list[str] = field(default_factory=list[str])

    @property
    def lookups(self) -> int:
        return self.hits + self.misses

    @property
    def rate(self) -> float:
        return self.hits / self.lookups if self.lookups else 0.0


def hit_rate(config: ChecksConfig) -> str:
    """Run the workload and judge its hit rate by the server's own keyspace_hits and keyspace_misses."""
    with writing(config) as session:
        entries = make_entries(session)
        before, begin = session.info("stats"), time.monotonic()
        tally = read_through(session, entries)
        after = session.info("stats")
        lifetimes = wrong_lifetimes(session, entries, begin)
    moved = {name: int(after[name]) - int(before[name]) for name in _COUNTERS}
    hits, misses = moved["keyspace_hits"], moved["keyspace_misses"]
    others = hits + misses - tally.lookups
    # Others' look-ups cannot be told apart in the server's counters: with any, the own count is what holds,
    # and the server's must at least contain it.
    rate = tally.rate if others else hits / (hits + misses)
    seen = (
        f"hit rate {rate:.3f} over {tally.lookups} look-ups, the server counted {hits} hits, {misses} misses"
        + (f" (so {others} look-ups were other clients')" if others > 0 else "")
        + f", {moved['evicted_keys']} keys evicted, {moved['expired_keys']} expired"
    )
    _judge(config, tally, hits, misses, seen, lifetimes)
    minimum = config[RedisTarget].hit_rate_min
    if rate < minimum:
        raise CheckFailed(seen, f"hit rate {minimum:.2f} or more", _why_low(moved))
    return seen


_COUNTERS = ("keyspace_hits", "keyspace_misses", "evicted_keys", "expired_keys")


def _judge(
    config: ChecksConfig, tally: Tally, hits: int, misses: int, seen: str, lifetimes: Sequence[str]
) -> None:
    """Everything that is wrong whatever the rate."""
    if tally.faults:
        raise CheckFailed(
            f"{len(tally.faults)} of the writes were refused: {tally.faults[0]}",
            "every write is taken, old keys make room",
            _why_refused(tally.faults[0], config),
        )
    if tally.wrong:
        raise CheckFailed(
            f"{tally.wrong} of {tally.lookups} look-ups gave another value than was written",
            "what was written",
            "Something between the client and Redis mixes up replies. Look for a proxy in front of it.",
        )
    if lifetimes:
        raise CheckFailed(
            f"{'; '.join(lifetimes)} ({seen})",
            "keys live as long as the caching policy says",
            "Look at what sets or shortens TTLs: a proxy, a script with EXPIRE, or the server's clock.",
        )
    if hits < tally.hits or misses < tally.misses:
        raise CheckFailed(
            f"{tally.hits} hits and {tally.misses} misses were seen, the server counted {hits} and {misses}",
            "the server's counters contain the client's",
            "The server restarted meanwhile, or somebody used CONFIG RESETSTAT. Look at "
            f"`kubectl -n {config.namespace} get pods`, and run the check again.",
        )


def _why_refused(fault: str, config: ChecksConfig) -> str:
    if "maxmemory" in fault:
        return set_back("maxmemory-policy", config.namespace)
    if "expire" in fault:
        return "A TTL of 0 or less was set. Look at what sets TTLs, or at a proxy that changes commands."
    return f"Look at `kubectl -n {config.namespace} logs deployment/redis`, which says why."


def _why_low(moved: dict[str, int]) -> str:
    if moved["evicted_keys"]:
        return (
            "The cache is too small: it evicted keys that were still wanted. Raise "
            "filewallball:redis.maxmemory and filewallball:redis.resources.memoryLimit, and run `fwb up`."
        )
    if moved["expired_keys"]:
        return (
            "Keys expired while they were wanted. Look for what shortens TTLs of 3600 s, 86400 s and 600 s."
        )
    return "Values vanish right after they were written. Look for TTLs of 0, FLUSHALL, or several servers."


def make_entries(session: Session) -> list[Entry]:
    """The working set, most wanted first, by the requirements' key patterns under the check's own prefix."""
    generator = random.Random(SEED)  # noqa: S311 (repeatable, not secret)
    kinds = generator.choices(KINDS, weights=[kind.share for kind in KINDS], k=ENTRIES)
    entries: list[Entry] = []
    for kind in kinds:
        identity = str(uuid.UUID(int=generator.getrandbits(128), version=4))
        entries.append(
            Entry(session.key(kind.pattern.format(identity)), identity.ljust(kind.size, "."), kind)
        )
    return entries


def read_through(session: Session, entries: Sequence[Entry]) -> Tally:
    """Look entries up; what is missing is written with its kind's time to live, as an application does."""
    tally = Tally()
    draws = iter(zipf_choices(len(entries), SKEW, LOOKUPS, SEED))
    while wanted := [entries[draw] for draw in itertools.islice(draws, BATCH)]:
        missing: dict[str, Entry] = {}
        for entry, reply in zip(wanted, session.batch(("GET", entry.key) for entry in wanted), strict=True):
            if isinstance(reply, RedisError):
                raise reply
            if reply is None:
                tally.misses += 1
                missing[entry.key] = entry
            else:
                tally.hits += 1
                tally.wrong += reply != entry.value
        writes = [("SET", entry.key, entry.value, "EX", entry.kind.ttl) for entry in missing.values()]
        faults = [str(reply) for reply in session.batch(writes) if isinstance(reply, RedisError)]
        tally.faults += faults
    return tally


def wrong_lifetimes(session: Session, entries: Sequence[Entry], begin: float) -> list[str]:
    """Per kind, what is wrong with the remaining time to live of a sample of its keys."""
    found: list[str] = []
    for kind in KINDS:
        # the most wanted ones: even a cache that evicts a lot still has some of them
        sample = [entry.key for entry in entries if entry.kind is kind][:TTL_SAMPLES]
        replies = session.batch(("PTTL", key) for key in sample)
        elapsed_ms = (time.monotonic() - begin) * 1000
        lowest, highest = kind.ttl * 1000 - elapsed_ms - TTL_SLACK_MS, kind.ttl * 1000
        for left in (reply for reply in replies if isinstance(reply, int) and reply != -2):
            if not lowest <= left <= highest:
                seen = "never expires" if left == -1 else f"expires in {left / 1000:.0f} s"
                found.append(f"{kind.pattern.format('*')} {seen} instead of {kind.ttl} s")
                break
    return found
