"""PID 1 of a sandbox: sets up its namespaces, runs its programs, restarts those that die, reaps the rest.

Runs as a script with nothing but the standard library, in the namespaces that `unshare` made for it. When it
ends, the kernel ends everything else in the sandbox. It reads one JSON file (see `programs.Plan`) and writes
`status.json` beside it whenever something changes.
"""

from __future__ import annotations

import json
import os
import signal
import socket
import ssl
import subprocess
import sys
import time
import urllib.request
from pathlib import Path
from typing import Any

TICK = 0.05
"""Seconds between looks at conditions."""
LINK_TIMEOUT = 30.0
"""Seconds for the launcher to hand over the network interface."""
POD_GRACE = 20.0
"""Seconds for the processes in pods to end by themselves."""
PROGRAM_GRACE = 10.0
"""Seconds for a program to end by itself."""
BACKOFF_MAX = 10.0
"""Seconds before a program that keeps dying is started again."""


class Program:
    """One program of the plan, with its process while it has one."""

    def __init__(self, plan: dict[str, Any], logs: Path, outside: int) -> None:
        self.name: str = plan["name"]
        self.descriptors = [outside] if plan["reaches_out"] else []
        self.argv: list[str] = [*plan["argv"], *map(str, self.descriptors)]
        self.environment: dict[str, str] = plan["environment"]
        self.after: list[str] = plan["after"]
        self.log = logs / f"{self.name}.log"
        self.process: subprocess.Popen[bytes] | None = None
        self.starts = 0
        self.last_exit: int | None = None
        self.due = 0.0

    def start(self) -> None:
        with self.log.open("ab") as log:
            self.process = subprocess.Popen(
                self.argv,
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                pass_fds=self.descriptors,
            )
        self.starts += 1

    def ended(self, code: int) -> None:
        self.process = None
        self.last_exit = code
        self.due = time.monotonic() + min(0.5 * 2 ** min(self.starts, 10), BACKOFF_MAX)

    def report(self) -> dict[str, Any]:
        state = "running" if self.process else "dead" if self.starts else "waiting"
        return {"state": state, "starts": self.starts, "last_exit": self.last_exit, "after": self.after}


class Supervisor:
    """The loop of PID 1. `outside`: a descriptor of the machine's own network."""

    def __init__(self, directory: Path, plan: dict[str, Any], outside: int) -> None:
        self.directory = directory
        self.programs = [Program(each, directory / "logs", outside) for each in plan["programs"]]
        self.stopping = False
        self.written: object = None

    def run(self) -> None:
        signal.signal(signal.SIGTERM, self.told_to_stop)
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        while not self.stopping:
            self.reap()
            for program in self.programs:
                if not program.process and time.monotonic() >= program.due and self.allowed(program):
                    program.start()
            self.report()
            time.sleep(TICK if any(not each.process for each in self.programs) else TICK * 10)
        self.stop()

    def told_to_stop(self, _number: int, _frame: object) -> None:
        self.stopping = True

    def allowed(self, program: Program) -> bool:
        while program.after and answers(program.after[0]):
            program.after = program.after[1:]
        return not program.after

    def reap(self) -> None:
        while True:
            try:
                pid, status = os.waitpid(-1, os.WNOHANG)
            except ChildProcessError:
                return
            if pid == 0:
                return
            for program in self.programs:
                if program.process and program.process.pid == pid:
                    program.process.returncode = os.waitstatus_to_exitcode(status)
                    program.ended(program.process.returncode)

    def report(self) -> None:
        status = {each.name: each.report() for each in self.programs}
        if status != self.written:
            write_atomically(self.directory / "status.json", json.dumps(status, indent=1))
            self.written = json.loads(json.dumps(status))

    def stop(self) -> None:
        """First the kubelet, so that nothing is restarted; then the pods; then the rest, backwards."""
        self.end([each for each in self.programs if each.name == "kubelet"])
        ours = {each.process.pid for each in self.programs if each.process}
        in_pods = [pid for pid in descendants_of_shims() if pid not in ours]
        heeding = [pid for pid in in_pods if heeds_sigterm(pid)]
        for pid in in_pods:
            send(pid, signal.SIGTERM)
        self.wait_for(lambda: not any(alive(pid) for pid in heeding), POD_GRACE)
        for program in reversed(self.programs):
            self.end([program])

    def end(self, programs: list[Program]) -> None:
        running = [each for each in programs if each.process]
        for program in running:
            if program.process:
                send(program.process.pid, signal.SIGTERM)
        self.wait_for(lambda: not any(each.process for each in running), PROGRAM_GRACE)

    def wait_for(self, condition: Any, seconds: float) -> None:
        deadline = time.monotonic() + seconds
        while time.monotonic() < deadline:
            self.reap()
            if condition():
                return
            time.sleep(TICK)


def send(pid: int, number: int) -> None:
    try:
        os.kill(pid, number)
    except ProcessLookupError:
        return


def alive(pid: int) -> bool:
    """Whether a process still runs; one that waits to be reaped doesn't."""
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] not in "ZX"
    except OSError:
        return False


def heeds_sigterm(pid: int) -> bool:
    """Whether SIGTERM does anything: the first process of a container needs a handler for that."""
    try:
        text = Path(f"/proc/{pid}/status").read_text(encoding="utf-8")
    except OSError:
        return False
    status = dict(line.split(":", 1) for line in text.splitlines() if ":" in line)
    caught = int(status["SigCgt"], 16) >> (signal.SIGTERM - 1) & 1
    ignored = int(status["SigIgn"], 16) >> (signal.SIGTERM - 1) & 1
    return bool(caught) or (not ignored and status["NSpid"].split()[-1] != "1")


def descendants_of_shims() -> list[int]:
    """The processes in containers: the children, at any depth, of containerd's shims."""
    parents: dict[int, int] = {}
    shims: set[int] = set()
    for entry in Path("/proc").iterdir():
        if not entry.name.isdigit():
            continue
        try:
            head, _, tail = (entry / "stat").read_text(encoding="utf-8").rpartition(")")
        except OSError:
            continue
        parents[int(entry.name)] = int(tail.split()[1])
        if "containerd-shim" in head:
            shims.add(int(entry.name))
    found: list[int] = []
    for pid in parents:
        above = parents[pid]
        while above in parents and above not in shims:
            above = parents[above]
        if above in shims and pid not in shims:
            found.append(pid)
    return found


def answers(condition: str) -> bool:
    """Whether `unix:PATH`, `tcp:HOST:PORT` or an https URL answers."""
    kind, _, rest = condition.partition(":")
    try:
        if kind == "unix":
            with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
                connection.connect(rest)
        elif kind == "tcp":
            host, _, port = rest.rpartition(":")
            socket.create_connection((host, int(port)), timeout=1).close()
        else:
            # Only asks whether a program of this very sandbox has started; nothing is sent to it.
            context = ssl.create_default_context()
            context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
            handlers = urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({})
            urllib.request.build_opener(*handlers).open(condition, timeout=2).close()
    except OSError:
        return False
    return True


def write_atomically(path: Path, text: str) -> None:
    temporary = path.with_name(path.name + ".new")
    temporary.write_text(text, encoding="utf-8")
    temporary.replace(path)


def run(*argv: str) -> None:
    subprocess.run(argv, check=True)


def join_cgroups(directories: list[str]) -> None:
    for directory in directories:
        (Path(directory) / "cgroup.procs").write_text("0", encoding="utf-8")


def mount_filesystems(directory: Path, plan: dict[str, Any]) -> None:
    """A /proc, /run and /var/log of our own, and mounts that containers can pass on to each other."""
    run("mount", "--make-rshared", "/")
    run("mount", "-t", "proc", "proc", "/proc")
    run("mount", "-t", "tmpfs", "-o", "mode=0755", "tmpfs", "/run")
    for target in plan["run_directories"]:
        Path(target).mkdir(parents=True, exist_ok=True)
    run("mount", "--bind", str(directory / "var-log"), "/var/log")
    for source, target in plan["binds"]:
        run("mount", "--bind", source, target)


def set_up_network(plan: dict[str, Any]) -> None:
    """Waits for the interface that the launcher puts into our network namespace, and gives it its address."""
    deadline = time.monotonic() + LINK_TIMEOUT
    while plan["interface"] not in {name for _, name in socket.if_nameindex()}:
        if time.monotonic() > deadline:
            raise SystemExit(f"no interface {plan['interface']} after {LINK_TIMEOUT:.0f} s")
        time.sleep(0.01)
    run("ip", "link", "set", "lo", "up")
    run("ip", "address", "add", plan["address"], "dev", plan["interface"])
    run("ip", "link", "set", plan["interface"], "up")
    # For what runs on the node: kube-proxy turns each connection, but there must be a way to begin with.
    run("ip", "route", "add", plan["services"], "dev", plan["interface"])
    for key, value in plan["sysctls"].items():
        Path("/proc/sys", *key.split(".")).write_text(value, encoding="utf-8")


def main(directory: Path, outside: int) -> None:
    # /proc is still that of the host here, so this is our number there.
    host_pid = str(Path("/proc/self").readlink())
    plan = json.loads((directory / "plan.json").read_text(encoding="utf-8"))
    (directory / "status.json").unlink(missing_ok=True)
    join_cgroups(plan["cgroups"])
    write_atomically(directory / "pid", host_pid)
    mount_filesystems(directory, plan)
    set_up_network(plan)
    Supervisor(directory, plan, outside).run()


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]))
