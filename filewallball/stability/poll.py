"""`fwb redis poll`: a mixed load at a given rate, and what its requests saw."""

from __future__ import annotations

import contextlib
import gc
import math
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor, wait
from datetime import UTC, datetime
from itertools import groupby
from pathlib import Path
from typing import Any

from filewallball.errors import ConfigError, UserError
from filewallball.stability import reference, saved, servers, topology
from filewallball.stability.finder import Finder
from filewallball.stability.histogram import Histogram
from filewallball.stability.lane import Lane
from filewallball.stability.targets import Target

SECONDS = 60
RATE = 500
"""Requests a second, all shards together."""
MOST_RATE = 20_000
MOST_SECONDS = 24 * 3600
LINE_SECONDS = 10.0
"""How often there is a line where there is no terminal."""
SHOWN_SECONDS = 0.5
TTL_SECONDS = 600
"""Beyond the end of the poll: then the keys expire, should this process have no chance to delete them."""
DELETE_SECONDS = 15.0
BUSY = 0.5
"""Share of the time in which a connection may wait for replies. Fewer of them wait less for one another."""
MOST_CONNECTIONS = 32
"""To one shard."""
MET_RATE = 0.9
"""Share of the rate. Below it, the server or this machine is too slow for it."""


def run(target: Target, seconds: float, rate: float, out: Path | None, *, as_json: bool = False) -> int:
    """Load the target, show how it goes, and write what was seen. Returns 0, or 1 if a request failed.

    Raises ConfigError for a number that can't be, UserError if the target takes no write to begin with.
    """
    check_numbers(seconds, rate)
    at = datetime.now(UTC)
    return saved.told(
        "poll", target.name, at, out, lambda: taken(target, seconds, rate, at), show, as_json=as_json
    )


def check_numbers(seconds: float, rate: float) -> None:
    """Raises ConfigError for a number that can't be."""
    for name, value, most in (("--seconds", seconds, MOST_SECONDS), ("--rate", rate, MOST_RATE)):
        if not 1 <= value <= most:
            raise ConfigError(f"{name} is {value:g}", f"Write a number from 1 to {most}.")


def taken(target: Target, seconds: float, rate: float, at: datetime) -> dict[str, Any]:
    """The poll as plain data. Its keys are deleted at the end, however that comes."""
    deployment = topology.find(target)
    finder = Finder(target, deployment)
    loaded = [
        number
        for number, shard in enumerate(deployment.shards)
        if shard.slots or deployment.kind != "cluster"
    ]
    with reference.running() as echo:
        ttl = int(seconds) + TTL_SECONDS
        name = secrets.token_hex(4)

        def made(number: int, copies: int, copy: int) -> Lane:
            lane = Lane(finder, number, f"{name}-{copy}", ttl, rate / len(loaded) / copies, echo)
            lanes.append(lane)
            lane.open()
            return lane

        lanes: list[Lane] = []
        try:
            slowest = max(made(number, 1, 0).round_trip() for number in loaded)
            if (copies := connections(rate / len(loaded), slowest)) > 1:
                for lane in lanes:
                    lane.close()
                lanes.clear()
                for number in loaded:
                    for copy in range(copies):
                        made(number, copies, copy)
            _load(lanes, seconds)
            finder.again()
            for lane in lanes:
                lane.notice()
        finally:
            for lane in lanes:
                lane.close()
            _delete(finder, lanes)
    return _document(target, finder, lanes, seconds, rate, at)


def connections(rate: float, round_trip: float) -> int:
    """How many a shard needs for so many requests a second, each of which waits for its reply.

    A power of two, so that a somewhat slower server gets as many.
    """
    busy = rate * round_trip
    return 1 if busy < BUSY else min(MOST_CONNECTIONS, 2 ** math.ceil(math.log2(busy / BUSY)))


def _load(lanes: list[Lane], seconds: float) -> None:
    """All lanes at once, until the time is over. On Ctrl-C they stop before it is passed on."""
    stop = threading.Event()
    begin = time.monotonic() + 0.05
    was, interval = gc.isenabled(), sys.getswitchinterval()
    gc.disable()
    # the lanes' bursts follow one another: they should not wait for this process, but for the servers
    sys.setswitchinterval(0.0005)
    try:
        # Not by Thread.join: before Python 3.13, one that Ctrl-C interrupts takes the thread for ended
        # (CPython's issue 90882).
        with ThreadPoolExecutor(len(lanes), "fwb-lane") as pool:
            try:
                runs = [
                    pool.submit(lane.run, begin + lane.offset(place, len(lanes)), begin + seconds, stop)
                    for place, lane in enumerate(lanes)
                ]
                with _shown(seconds) as show:
                    while wait(runs, SHOWN_SECONDS).not_done:
                        show(lanes, min(seconds, time.monotonic() - begin))
            finally:
                stop.set()
        for run in runs:
            run.result()
    finally:
        sys.setswitchinterval(interval)
        if was:
            gc.enable()


@contextlib.contextmanager
def _shown(seconds: float) -> Generator[Any]:
    """A function that tells how it goes: a bar on a terminal, now and then a line elsewhere."""
    if not sys.stderr.isatty():
        last = 0.0

        def line(lanes: list[Lane], passed: float) -> None:
            nonlocal last
            if passed - last >= LINE_SECONDS:
                last = passed
                print(
                    f"{passed:.0f} s of {seconds:g} s: {_so_far(lanes, passed)}", file=sys.stderr, flush=True
                )

        yield line
        return
    # late: a pod has no such library
    from rich.console import Console
    from rich.progress import BarColumn, Progress, TextColumn, TimeRemainingColumn

    columns = (BarColumn(), TextColumn("{task.description}"), TimeRemainingColumn())
    with Progress(*columns, console=Console(stderr=True), transient=True, refresh_per_second=4) as progress:
        task = progress.add_task("starting", total=seconds)

        def bar(lanes: list[Lane], passed: float) -> None:
            progress.update(task, completed=passed, description=_so_far(lanes, passed))

        yield bar


def _so_far(lanes: list[Lane], passed: float) -> str:
    requests = sum(lane.done for lane in lanes)
    failed = sum(lane.errors.total() for lane in lanes)
    recent = sorted(value for lane in lanes for value in lane.latest)
    middle = f", p50 {recent[len(recent) // 2] / 1000:.2f} ms" if recent else ""
    return f"{requests / max(passed, 0.1):.0f} requests/s{middle}, {failed} failed"


def _delete(finder: Finder, lanes: list[Lane]) -> None:
    """Delete the keys, from wherever they are now. Raises UserError if that can't be done."""
    deadline = time.monotonic() + DELETE_SECONDS
    left = list(lanes)
    why = ""
    while left:
        lane = left[0]
        shard = finder.deployment.shard_of(lane.slot) or lane.shard
        try:
            with servers.asked(finder.target, shard.primary.address) as client:
                for key in lane.keys:
                    client.execute_command("DEL", key)
            left.pop(0)
        except UserError as error:
            why = error.message
            if time.monotonic() > deadline:
                break
            time.sleep(0.3)
            finder.again()
    if left:
        print(
            f"The keys of this poll could not be deleted ({why}). They expire {TTL_SECONDS} s after its end.",
            file=sys.stderr,
        )


def _document(
    target: Target, finder: Finder, lanes: list[Lane], seconds: float, rate: float, at: datetime
) -> dict[str, Any]:
    reads, writes, both = Histogram(), Histogram(), Histogram()
    for lane in lanes:
        reads.merge(lane.reads)
        writes.merge(lane.writes)
    both.merge(reads)
    both.merge(writes)
    errors: Counter[str] = Counter()
    for lane in lanes:
        errors += lane.errors
    changes = [
        {
            "at": datetime.fromtimestamp(each.at, UTC).isoformat(timespec="milliseconds"),
            "shard": each.shard,
            "from": str(each.before),
            "to": str(each.after),
        }
        for each in finder.changes
        if each.failover
    ]
    return {
        "kind": "poll",
        "target": target.name,
        "at": at.isoformat(timespec="seconds"),
        "ok": not errors and not any(lane.lost for lane in lanes),
        "deployment": {"kind": finder.deployment.kind, "shards": len({lane.number for lane in lanes})},
        "connections": len(lanes),
        "seconds": seconds,
        "rate": rate,
        "achieved": round(len(both) / seconds, 1),
        "requests": len(both),
        "errors": dict(errors),
        "lost_writes": sum(lane.lost for lane in lanes),
        "redirects": sum(lane.redirects for lane in lanes),
        "longest_outage": round(max(lane.longest_outage for lane in lanes), 3),
        "failovers": changes,
        "milliseconds": {"all": both.summary(), "reads": reads.summary(), "writes": writes.summary()},
        "shards": [_shard(list(each)) for _, each in groupby(lanes, key=lambda lane: lane.number)],
    }


def _shard(lanes: list[Lane]) -> dict[str, Any]:
    """All connections of one shard."""
    return {
        "shard": lanes[0].number,
        "primary": str(lanes[0].shard.primary.address),
        "segments": [each.row for lane in lanes for each in lane.segments if each.row],
    }


def show(document: dict[str, Any]) -> None:
    """The result for people."""
    print("\n".join(_lines(document)))


def _lines(document: dict[str, Any]) -> list[str]:
    errors = document["errors"]
    said = ", ".join(f"{count} {name}" for name, count in errors.items()) or "none"
    lines = [
        f"{document['target']}: {document['requests']} requests in {document['seconds']:g} s, "
        f"{document['achieved']:g} a second of {document['rate']:g} wanted"
    ]
    for name, found in document["milliseconds"].items():
        if found:
            lines.append(
                f"{name + ':':8}" + ", ".join(f"{key} {value:.2f} ms" for key, value in found.items())
            )
    lines.append(
        f"errors: {said}; lost writes: {document['lost_writes']}; redirects: {document['redirects']}"
    )
    if document["longest_outage"]:
        lines.append(f"longest outage of a shard: {document['longest_outage']:.2f} s")
    lines += [
        f"failover at {each['at']}: shard {each['shard']} from {each['from']} to {each['to']}"
        for each in document["failovers"]
    ]
    if document["achieved"] < MET_RATE * document["rate"]:
        lines.append(
            "The rate was not met: the servers or this machine are too slow for it, or a shard was away."
        )
    return lines
