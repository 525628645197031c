"""A shard's data as a replica gets it, in a throw-away server of this machine, which gives out the keys.

The server sends one moment of its data as an RDB file (PSYNC). Its format is the servers' own affair: one of
their programs reads it as it comes, from a pipe with the name of the file. That program must write the very
version of the format that the source does, or the source could not take its values back.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Generator
from contextlib import contextmanager, suppress
from functools import cache
from pathlib import Path

from filewallball.backup.workdir import human
from filewallball.errors import UserError
from filewallball.snapshots.settings import Address
from filewallball.snapshots.transfer import Stream, TransferError
from filewallball.stability.keys.pace import Pace
from filewallball.stability.keys.reading import version_of
from filewallball.stability.keys.wire import Lost, Wire, dial, info
from filewallball.stability.targets import Target

PROGRAMS = ("redis", "valkey")
"""NAME-check-rdb is the server itself, under another name: packages of tools bring it alone."""
_FILE = "shard.rdb"
_START_SECONDS = 20.0
_SILENT_SECONDS = 60.0
_PIPE = 2**20
"""Bytes that may be on their way to the server."""
_KEEPER = 'exec 3<&0; (read -r line <&3; kill -9 $$; rm -rf "$0") & exec "$@" 3<&- </dev/null'
"""Ends the server and removes its folder once nobody holds the other end of its input: even after SIGKILL."""
_NO_ADDRESS = "fwb-backup"
"""Sent as this client's address. Sentinels ignore it, as it is a name; see snapshots/transfer.py."""


class Barred(UserError):
    """This way is closed; SCAN may be open."""


class ThrowAway:
    """The running server."""

    def __init__(self, program: str, folder: Path, databases: int, *, load: bool) -> None:
        server = folder / f"{Path(program).name.partition('-')[0]}-server"
        server.symlink_to(program)
        self.socket = str(folder / "socket")
        self._log = folder / "log"
        self._file = folder / _FILE
        if load:
            os.mkfifo(self._file, 0o600)
        options = {
            "port": "0",
            "unixsocket": self.socket,
            "dir": str(folder),
            "dbfilename": _FILE if load else "none.rdb",
            "save": "",
            "appendonly": "no",
            "databases": str(max(16, databases)),
            "rdbcompression": "no",  # pieces are compressed, as a whole and better
            "activerehashing": "no",
            "daemonize": "no",
            "loglevel": "notice",
        }
        arguments = [word for name, value in options.items() for word in (f"--{name}", value)]
        with self._log.open("wb") as log:
            self._process = subprocess.Popen(
                ["/bin/sh", "-c", _KEEPER, str(folder), str(server), *arguments],
                stdin=subprocess.PIPE,
                stdout=log,
                stderr=log,
            )

    def close(self) -> None:
        if self._process.stdin:
            self._process.stdin.close()
        self._process.wait()

    @contextmanager
    def filled(self) -> Generator[Callable[[bytes], None]]:
        """Takes its file, part by part. Raises Barred if it ends meanwhile."""
        try:
            pipe = self._opened()
        except OSError as error:
            raise Barred(f"The throw-away server does not start: {self._why()}") from error

        def write(data: bytes) -> None:
            left = memoryview(data)
            try:
                while left:
                    left = left[os.write(pipe, left) :]
            except OSError as error:
                raise Barred(f"The throw-away server has ended: {self._why()}") from error

        try:
            yield write
        finally:
            os.close(pipe)

    def _opened(self) -> int:
        """The pipe, as soon as the server reads it; until then nobody can open it. Raises OSError."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                pipe = os.open(self._file, os.O_WRONLY | os.O_NONBLOCK)
            except OSError:
                if self._has_ended() or time.monotonic() > deadline:
                    raise
                time.sleep(0.01)
                continue
            os.set_blocking(pipe, True)
            if sys.platform == "linux":
                with suppress(OSError):  # a user may have had as much as is allowed
                    fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ, _PIPE)
            return pipe

    def wire(self) -> Wire:
        """A connection. Raises Barred if the server has ended."""
        try:
            return Wire.to_socket(self.socket)
        except OSError as error:
            raise Barred(f"The throw-away server has ended: {self._why()}") from error

    def wait(self, progress: Callable[[str], None]) -> None:
        """Until it has loaded its file. Raises Barred."""
        deadline = time.monotonic() + _START_SECONDS
        while True:
            try:
                with Wire.to_socket(self.socket) as wire:
                    said = info(wire, "persistence")
            except (OSError, Lost) as error:
                if self._has_ended() or time.monotonic() > deadline:
                    raise Barred(f"The throw-away server does not start: {self._why()}") from error
                time.sleep(0.01)
                continue
            if said.get("loading") == "0":
                return
            progress(f"{said.get('loading_loaded_bytes', '?')} bytes loaded")
            deadline = time.monotonic() + _START_SECONDS
            time.sleep(0.02)

    def _has_ended(self) -> bool:
        # Without reaping it: the keeper must not meet another process of the same number.
        return os.waitid(os.P_PID, self._process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None

    def _why(self) -> str:
        lines = (
            self._log.read_text(encoding="utf-8", errors="replace").strip().splitlines()
            if self._log.exists()
            else []
        )
        return lines[-1][-200:] if lines else "no log"


def program_for(version: int) -> str:
    """The program on PATH that writes that version of the format. Raises Barred if there is none."""
    seen: list[str] = []
    for name in PROGRAMS:
        for path in filter(None, map(shutil.which, (f"{name}-server", f"{name}-check-rdb"))):
            written = _writes(path)
            if written == version:
                return path
            seen.append(f"{path} writes {written}")
    raise Barred(
        f"No server program here writes version {version} of the format ({', '.join(seen) or 'none on PATH'})"
    )


@cache
def _writes(program: str) -> int:
    """The version of the format of a program. Raises Barred if it doesn't run."""
    with _folder() as folder, _running(program, folder, 16, load=False) as server:
        server.wait(lambda _: None)
        with server.wire() as wire:
            wire.run("SET", "x", "x")
            return version_of(wire.run("DUMP", "x"))


@contextmanager
def loaded(
    target: Target,
    address: Address,
    version: int,
    memory: int,
    databases: int,
    pace: Pace,
    progress: Callable[[str], None],
) -> Generator[ThrowAway]:
    """A server that holds what `address` holds now. Raises Barred.

    `memory`: bytes that it takes there, about. `databases`: how many there are.
    """
    program = program_for(version)
    with _folder() as folder:
        _check_room(memory)
        with _running(program, folder, databases, load=True) as server:
            with server.filled() as write:
                _fetch(target, address, write, pace, progress)
            server.wait(progress)
            yield server


@contextmanager
def _folder() -> Generator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="fwb-keys-"))
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(program: str, folder: Path, databases: int, *, load: bool) -> Generator[ThrowAway]:
    try:
        server = ThrowAway(program, folder, databases, load=load)
    except OSError as error:
        raise Barred(f"{program} does not start: {error}") from error
    try:
        yield server
    finally:
        server.close()


def _check_room(memory: int) -> None:
    available = os.sysconf("SC_AVPHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        lines = dict(line.split(":", 1) for line in meminfo.read_text(encoding="utf-8").splitlines())
        available = int(lines["MemAvailable"].split()[0]) * 1024
    if available < memory * 1.3:
        raise Barred(
            f"This machine has {human(available)} of memory left, and the shard takes {human(memory)}"
        )


def _fetch(
    target: Target,
    address: Address,
    write: Callable[[bytes], None],
    pace: Pace,
    progress: Callable[[str], None],
) -> None:
    access, size = target.access, 0
    try:
        with dial(access, address) as connection:
            connection.settimeout(_SILENT_SECONDS)
            stream = Stream(connection, pace.chunk)
            if access.password is not None:
                stream.command("AUTH", *([access.username] if access.username else []), access.password)
            stream.command("REPLCONF", "ip-address", _NO_ADDRESS)
            stream.command("REPLCONF", "capa", "eof")
            with suppress(TransferError):  # before 7.0; what follows the file is not read then
                stream.command("REPLCONF", "rdb-only", "1")
            stream.send("PSYNC", "?", "-1")
            for piece in stream.copy():
                write(piece)
                size += len(piece)
                pace.wait_bytes(len(piece))
                progress(f"{human(size)} received")
    except TransferError as error:
        raise Barred(f"{address} does not hand over its data: {error.message}") from error
    except OSError as error:
        raise Barred(f"{address} does not hand over its data: {error}") from error
