"""How a throw-away mariadbd is run: on a socket, small, fast, and not safe against a crash."""

from __future__ import annotations

import os
import signal
import subprocess
from collections.abc import Mapping
from pathlib import Path

from filewallball.backup.program import client_environment
from filewallball.backup.workdir import WorkDir

_OPTIONS = """\
[mariadbd]
datadir={data}
socket={socket}
pid-file={home}/pid
log-error={home}/server.log
tmpdir={home}
secure-file-priv={home}
skip-networking
skip-log-bin
skip-slave-start
performance-schema=OFF
event-scheduler=OFF
max-connections=5
max-allowed-packet=1G
table-open-cache=64
innodb-flush-log-at-trx-commit=0
innodb-doublewrite=OFF
innodb-flush-method=nosync
innodb-use-native-aio=OFF
"""
"""If the server ends too early, all that it made is thrown away."""
SMALL = {
    "key-buffer-size": "1M",
    "aria-pagecache-buffer-size": "8M",
    "innodb-buffer-pool-size": "48M",
    "innodb-log-file-size": "16M",
    "innodb-log-buffer-size": "2M",
    "innodb-data-file-path": "ibdata1:4M:autoextend",
    "innodb-temp-data-file-path": "ibtmp1:4M:autoextend",
}
"""For a proof, which has to fit beside the dump: small rather than fast."""
GENTLE = {"innodb-flush-method": "O_DIRECT_NO_FSYNC"}
"""Slower: what it writes goes to the disk in its turn, and not in floods from the system's memory."""
LARGE = {
    "key-buffer-size": "8M",
    "innodb-buffer-pool-size": "192M",
    "innodb-buffer-pool-dump-at-shutdown": "OFF",
}
"""For a restore, on which people wait."""


def write_options(home: Path, data: Path, socket: Path, *sizes: Mapping[str, str]) -> Path:
    """An option file in `home` for a server on `data`; of the same option in `sizes` the last one counts."""
    path = home / "my.cnf"
    own = "".join(f"{name}={value}\n" for each in sizes for name, value in sorted(each.items()))
    path.write_text(_OPTIONS.format(home=home, data=data, socket=socket) + own, encoding="utf-8")
    return path


def _identity() -> list[str]:
    """The server refuses root unless told; anybody else is left as who they are."""
    return ["--user=root"] if os.geteuid() == 0 else []


def start(work: WorkDir, options: Path) -> subprocess.Popen[bytes]:
    """Start mariadbd, which may not answer yet."""
    return subprocess.Popen(
        ["mariadbd", f"--defaults-file={options}", *_identity()],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        env=client_environment(work),
    )


def install(work: WorkDir, options: Path) -> str:
    """Make a data folder. Empty if that worked, else what the program said."""
    process = subprocess.Popen(
        [
            "mariadb-install-db",
            f"--defaults-file={options}",
            "--auth-root-authentication-method=normal",
            "--force",
            "--skip-test-db",
            *_identity(),
        ],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        errors="replace",
        env=client_environment(work),
        start_new_session=True,
    )
    try:
        said, _ = process.communicate()
    except BaseException:
        # It is a script: the server that it runs would outlive it. Their common output ends with the last.
        os.killpg(process.pid, signal.SIGKILL)
        process.communicate()
        raise
    return (said or "it said nothing") if process.returncode else ""
