"""What the balancer adds to a request: `python -m benchmarks balancer`.

nginx with the configuration that the stack renders and the program beside it, over three servers that answer
1 KiB at once, all on loopback addresses of this machine. Requests are due at a constant pace, at half of what
this way can do, and their times count from then. The same pace goes straight to a server, through HAProxy and
through an nginx with as little configuration as possible, in turns.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
from collections.abc import Generator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

from benchmarks import app_load
from benchmarks.attack import Attack, Vegeta, quantile
from benchmarks.measure import Result
from components import schema
from components.balancer_conf import Paths, Places, Upstream, render
from facts import app

SERVERS = 3
BODY_BYTES = 1024
SECONDS = 10.0
"""Of an attack at a constant pace."""
FULL_SECONDS = 5.0
"""Of one as fast as it goes."""
START_SECONDS = 30.0
END_SECONDS = 10.0
LIMITS = {0.5: 0.5, 0.99: 5.0, 0.999: None}
"""Part of the requests → milliseconds that may be added at most."""
OURS, DIRECT = "the balancer", "no balancer"
ROOT = Path(__file__).parents[1]


class Bench:
    """Ways to the servers, by name; each an address."""

    def __init__(self, work: Path) -> None:
        self.work = work
        self._ports = iter(app_load.free_ports(2 * SERVERS + 7))
        self.ways: dict[str, str] = {}
        self.haproxy = f"HAProxy {_version('haproxy', 2)}"
        self.nginx = f"nginx {_version('nginx', 2)}"

    @contextmanager
    def running(self) -> Generator[None]:
        with ExitStack() as stack:
            servers = [
                Upstream(f"server-{n}", f"127.0.0.{11 + n}", next(self._ports), next(self._ports))
                for n in range(SERVERS)
            ]
            for each in servers:
                self._start(stack, each.name, self._nginx(each.name, _static(each)))
            self._balancer(stack, servers)
            plain = self._way(f"{self.nginx}, plain")
            self._start(stack, "plain", self._nginx("plain", _plain(servers, plain)))
            peer = self._way(self.haproxy)
            config = self.work / "haproxy.cfg"
            config.write_text(_haproxy(servers, peer), encoding="utf-8")
            self._start(stack, "haproxy", [_program("haproxy"), "-db", "-f", str(config)])
            self.ways[DIRECT] = f"http://{servers[0].host}:{servers[0].site}/"
            for url in self.ways.values():
                port = int(url.rstrip("/").rpartition(":")[2])
                host = url.split("/")[2].partition(":")[0]
                app_load.wait_until(lambda host=host, port=port: _listens(host, port), START_SECONDS)
            yield

    def _way(self, name: str) -> int:
        """The port of another way."""
        port = next(self._ports)
        self.ways[name] = f"http://127.0.0.1:{port}/"
        return port

    def _balancer(self, stack: ExitStack, servers: Sequence[Upstream]) -> None:
        """As its pods run it: their configuration, their script, and what runs beside nginx."""
        config, run_folder = self.work / "etc", self.work / "run"
        config.mkdir()
        run_folder.mkdir()
        site, log = self._way(OURS), next(self._ports)
        tls, admin, status = (next(self._ports) for _ in range(3))
        run_paths = (str(config), str(run_folder), str(run_folder / "tmp"))
        places = Places(*run_paths, site, tls, admin, status, log, "127.0.0.1:")
        wanted = schema.Balancer(any_host=True)
        paths = Paths(app.LOG_INS, app.UPLOADS, schema.App().max_upload_bytes)
        for name, text in render(wanted, servers, paths, places).items():
            own = _as_root(text) if name == "nginx.conf" else text
            (config / name).write_text(own, encoding="utf-8")
        environment = {
            "PATH": f"{os.environ['PATH']}:/usr/sbin",
            "FWB_CONFIG": str(config),
            "FWB_RUN": str(run_folder),
            "FWB_TMP": str(run_folder / "tmp"),
            "FWB_UPSTREAMS": str(config / "upstreams.json"),
            "FWB_LOG_PORT": str(log),
            "FWB_DRAIN_SECONDS": "0",
            "HOSTNAME": "balancer-1",
            "PYTHONPATH": str(ROOT),
        }
        self._start(stack, "beside", [sys.executable, "-m", "filewallball.balancer"], environment)
        self._start(stack, "nginx", ["/bin/sh", str(config / "start.sh")], environment)

    def _nginx(self, name: str, text: str) -> list[str]:
        path = self.work / f"{name}.conf"
        path.write_text(_as_root(text), encoding="utf-8")
        return [_program("nginx"), "-e", "stderr", "-c", str(path)]

    def _start(
        self, stack: ExitStack, name: str, words: Sequence[str], environment: dict[str, str] | None = None
    ) -> None:
        log = stack.enter_context((self.work / f"{name}.log").open("wb"))
        process = subprocess.Popen(
            words, env={**os.environ, **(environment or {})}, stdout=log, stderr=log, cwd=self.work
        )
        stack.callback(_end, process)


def measure(rounds: int, seconds: float = SECONDS) -> list[Result]:
    """All figures, of so many rounds."""
    with TemporaryDirectory(prefix="fwb-bench-") as folder:
        vegeta, bench = Vegeta.installed(), Bench(Path(folder))
        with bench.running():
            full = {name: vegeta.full(url, FULL_SECONDS) for name, url in bench.ways.items()}
            rate = max(1, int(full[OURS] / 2))
            seen, busy = _rounds(vegeta, bench.ways, rate, rounds, seconds)
    results = [
        Result(f"{name}: as fast as it goes", "requests/s", [each], None) for name, each in full.items()
    ]
    for name in bench.ways:
        if name != DIRECT:
            results += _added(name, seen[name], seen[DIRECT], rate)
    results += _told(DIRECT, seen[DIRECT], rate)
    sent = sum(len(each.due) for found in seen.values() for each in found)
    failed = sum(each.failed for found in seen.values() for each in found)
    results.append(Result(f"requests that failed, of {sent}", "requests", [float(failed)], 0.0))
    results.append(Result("processors busy, the client's part too", "%", busy, None))
    return results


def _rounds(
    vegeta: Vegeta, ways: dict[str, str], rate: int, rounds: int, seconds: float
) -> tuple[dict[str, list[Attack]], list[float]]:
    """What each way's attacks saw, and how busy the processors were through the balancer, in percent."""
    seen: dict[str, list[Attack]] = {name: [] for name in ways}
    busy: list[float] = []
    order = list(ways)
    for number in range(rounds):
        for name in order if number % 2 == 0 else reversed(order):
            before = _processors()
            seen[name].append(vegeta.attack(ways[name], rate, seconds))
            after = _processors()
            if name == OURS:
                busy.append(100 * (after[0] - before[0]) / (after[1] - before[1]))
    return seen, busy


def _added(name: str, seen: Sequence[Attack], direct: Sequence[Attack], rate: int) -> list[Result]:
    results: list[Result] = []
    for since in ("due", "sent"):
        for part, limit in LIMITS.items():
            added = [
                _time(one, since, part) - _time(other, since, part)
                for one, other in zip(seen, direct, strict=True)
            ]
            about = f"{name} adds at {rate} requests/s, p{part * 100:g} from when it was {since}"
            results.append(Result(about, "ms", added, limit if name == OURS else None))
    return results


def _time(attack: Attack, since: str, part: float) -> float:
    return quantile(attack.due if since == "due" else attack.sent, part)


def _told(name: str, seen: Sequence[Attack], rate: int) -> list[Result]:
    return [
        Result(
            f"{name}: median at {rate} requests/s from when it was {since}",
            "ms",
            [_time(each, since, 0.5) for each in seen],
            None,
        )
        for since in ("due", "sent")
    ]


def _processors() -> tuple[float, float]:
    """Time in which they worked, and all time, since the machine started."""
    fields = [
        int(each) for each in Path("/proc/stat").read_text(encoding="ascii").splitlines()[0].split()[1:9]
    ]
    return sum(fields) - fields[3] - fields[4], sum(fields)


def _as_root(text: str) -> str:
    """In a pod no process is root's."""
    return f"user root;\n{text}" if os.geteuid() == 0 else text


def _static(server: Upstream) -> str:
    return _small(
        f"server {{ listen {server.host}:{server.site}; default_type text/plain;"
        f' keepalive_requests 1000000; location / {{ return 200 "{"x" * BODY_BYTES}"; }} }}',
        server.name,
        1,
    )


def _plain(servers: Sequence[Upstream], port: int) -> str:
    listed = " ".join(f"server {each.host}:{each.site};" for each in servers)
    return _small(
        f"upstream site {{ least_conn; {listed} keepalive 32; }} server {{ listen 127.0.0.1:{port};"
        " location / { proxy_pass http://site; proxy_http_version 1.1; proxy_set_header Connection '';"
        " } }",
        "plain",
        2,
    )


def _small(http: str, name: str, workers: int) -> str:
    return (
        f"daemon off; pid {name}.pid; worker_processes {workers}; events {{}}\n"
        f"http {{ access_log off; keepalive_requests 1000000;\n{http}\n}}\n"
    )


def _haproxy(servers: Sequence[Upstream], port: int) -> str:
    lines = "\n".join(f"    server {each.name} {each.host}:{each.site}" for each in servers)
    return (
        "defaults\n    mode http\n    timeout connect 1s\n    timeout client 65s\n    timeout server 10s\n"
        f"listen site\n    bind 127.0.0.1:{port}\n    balance leastconn\n    http-reuse safe\n{lines}\n"
    )


def _program(name: str) -> str:
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if not found:
        raise SystemExit(f"{name} is missing: install the package {name}")
    return found


def _version(name: str, place: int) -> str:
    """What the program says of itself, the word at this place."""
    done = subprocess.run([_program(name), "-v"], capture_output=True, encoding="utf-8", check=False)
    return (done.stdout + done.stderr).split()[place].rpartition("/")[2].partition("-")[0]


def _listens(host: str, port: int) -> bool:
    with socket.socket() as probe:
        return probe.connect_ex((host, port)) == 0


def _end(process: subprocess.Popen[bytes]) -> None:
    """nginx ends its workers itself when it is asked."""
    process.terminate()
    try:
        process.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
