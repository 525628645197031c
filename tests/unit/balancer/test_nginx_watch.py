"""What runs beside nginx: what it hears, what it tells, and what it knows after a restart."""

from __future__ import annotations

import json
import time
from collections.abc import Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest

from facts.balancer import STARTED, STATE, Server
from filewallball.balancer import page
from filewallball.balancer.watch import Watch, addresses

SERVERS = {"site": (Server("app-0", "app-0", 3000), Server("app-1", "app-1", 3000))}
KNOWN = {SERVERS["site"][0]: ["10.0.0.1"], SERVERS["site"][1]: ["10.0.0.2"]}
DISABLED = (
    b"<188>Nov 27 03:40:38 nginx: 2026/11/27 03:40:38 [warn] 7#7: *6 upstream server temporarily disabled"
    b' while connecting to upstream, client: 127.0.0.1, upstream: "http://10.0.0.1:3000/", host: "h"'
)


class Run:
    """The folder that nginx and its neighbour share."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.said: list[str] = []
        self.known: Mapping[Server, Sequence[str]] = KNOWN
        self.resolved = 0
        self.nginx_starts("first")

    def nginx_starts(self, stamp: str) -> None:
        (self.folder / STARTED).write_text(f"{stamp}\n", encoding="utf-8")

    def watch(self) -> Watch:
        return Watch("balancer-a", SERVERS, self.folder, self.said.append, self.resolve)

    def resolve(self, _: Mapping[str, Sequence[Server]]) -> Mapping[Server, Sequence[str]]:
        self.resolved += 1
        return self.known


@pytest.fixture
def run(tmp_path: Path) -> Run:
    return Run(tmp_path)


def line(address: str, status: str = "200", seconds: str = "0.010") -> bytes:
    return f"<190>Nov 27 03:40:38 nginx: tries {time.time():.3f}|{address}|{status}|{seconds}|0.010".encode()


def servers(watch: Watch) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in watch.document()["upstreams"]["site"]["servers"]}


def test_it_tells_what_it_heard(run: Run) -> None:
    watch, now = run.watch(), time.time()
    for address in ("10.0.0.1:3000", "10.0.0.1:3000", "10.0.0.2:3000"):
        watch.hear(line(address), now)
    found = servers(watch)
    assert (found["app-0"]["requests"], found["app-0"]["share_last_minute"]) == (2, 0.667)
    assert found["app-1"]["answers"] == {"2xx": 1}
    assert found["app-1"]["seconds"] == {"p50": 0.01, "p95": 0.01, "p99": 0.01, "max": 0.01}
    assert watch.document()["balancer"] == "balancer-a"
    watch.hear(DISABLED, now)
    down = servers(watch)["app-0"]
    assert (down["state"], down["gets_requests"], down["fails"]) == ("down", False, 3)
    assert 29 <= down["retry_in_seconds"] <= 31
    assert run.said == ["app-0 (10.0.0.1:3000) gets no requests: it fails"]


def test_what_makes_no_sense_changes_nothing(run: Run) -> None:
    watch = run.watch()
    before = servers(watch)
    for datagram in (
        b"",
        b"\xff",
        b"<190>x nginx: tries soon|10.0.0.1:3000|200|0.1|0.1",
        b"<190>x nginx: hello",
    ):
        watch.hear(datagram, time.time())
    assert servers(watch) == before


def test_a_restart_of_its_own_forgets_nothing_and_one_of_nginx_all(run: Run) -> None:
    run.watch().hear(DISABLED, time.time())
    again = run.watch()
    assert servers(again)["app-0"]["state"] == "down"
    run.nginx_starts("second")
    again._look(time.time())
    assert servers(again)["app-0"]["state"] == "up"
    assert servers(run.watch())["app-0"]["state"] == "up"


@pytest.mark.parametrize(
    "text", ["", "no JSON", '{"started": "other", "peers": {"10.0.0.1:3000": [3, 9, 9]}}']
)
def test_a_state_that_is_no_use_is_left_alone(run: Run, text: str) -> None:
    (run.folder / STATE).write_text(text, encoding="utf-8")
    assert servers(run.watch())["app-0"]["fails"] == 0


def test_the_state_is_written_when_it_changes_alone(run: Run) -> None:
    watch = run.watch()
    watch.hear(line("10.0.0.1:3000"), time.time())
    assert not (run.folder / STATE).exists()
    watch.hear(DISABLED, time.time())
    assert json.loads((run.folder / STATE).read_text())["peers"].keys() == {"10.0.0.1:3000"}


def test_a_server_at_another_address_is_looked_up_again_but_not_for_each_line(run: Run) -> None:
    run.known = {SERVERS["site"][0]: [], SERVERS["site"][1]: ["10.0.0.2"]}
    watch = run.watch()
    assert set(servers(watch)) == {"app-1"}
    run.known = KNOWN
    later = time.time() + 60
    for _ in range(5):
        watch.hear(line("10.0.0.1:3000"), later)
    assert set(servers(watch)) == {"app-0", "app-1"}
    watch.hear(line("10.9.9.9:3000"), later + 1)
    assert run.resolved == 2


def test_a_name_that_is_not_known_has_no_address() -> None:
    nobody, local = Server("a", "no-such-host.invalid", 1), Server("b", "127.0.0.1", 1)
    assert addresses({"site": (nobody, local)}) == {nobody: [], local: ["127.0.0.1"]}


@pytest.mark.parametrize(("late", "counts_from"), [(3, 3), (0, 0), (3600, 0), (-3600, 0)])
def test_a_server_is_left_out_from_nginxs_moment_on_however_late_it_is_heard(
    run: Run, late: int, counts_from: int
) -> None:
    """An hour is no lateness: then nginx writes times of another time zone."""
    watch, now = run.watch(), time.time()
    moment = datetime.fromtimestamp(now - late).strftime("%Y/%m/%d %H:%M:%S").encode()
    watch.hear(DISABLED.replace(b"2026/11/27 03:40:38", moment), now)
    [found, _] = watch.document()["upstreams"]["site"]["servers"]
    assert datetime.fromisoformat(found["last_failure"]).timestamp() == int(now) - counts_from
    assert datetime.fromisoformat(found["retry_at"]).timestamp() == int(now) - counts_from + 31


def test_the_page_shows_every_server_and_no_markup_of_others(run: Run) -> None:
    watch = run.watch()
    watch.hear(DISABLED.replace(b"upstream server temporarily disabled", b"<script>"), time.time())
    watch.hear(DISABLED, time.time())
    html = page.as_html(watch.document())
    assert "<script>" not in html
    assert "&lt;script&gt;" in html
    assert "app-0" in html
    assert "app-1" in html
    assert "10.0.0.1:3000" in html
