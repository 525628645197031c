"""The scripts that bring a renewed certificate into MariaDB and the Sentinels; the servers are stand-ins."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from program_run import ROOT

FILES = ROOT / "components" / "files"
SECONDS = 20


class Pod:
    """A folder with a pod's files, and the script that starts its server."""

    def __init__(self, root: Path, server: str) -> None:
        self.root, self.server, self.calls = root, server, root / "calls"
        self.config, self.files = root / "config", root / "tls"
        for folder in (self.config, self.files, root / "bin"):
            folder.mkdir()
        self.calls.touch()
        self.renew("first")
        self.process: subprocess.Popen[bytes] | None = None

    def renew(self, text: str) -> None:
        for name in ("tls.crt", "tls.key", "ca.crt"):
            (self.files / name).write_text(text)

    def script(self, name: str) -> None:
        text = (FILES / "tls" / name).read_text()
        text = text.replace("/etc/filewallball", str(self.config)).replace(
            f"/tls/{self.server}", str(self.files)
        )
        (self.config / name).write_text(text)

    def standin(self, path: Path, body: str) -> None:
        path.write_text(f"#!/bin/sh\n{body}\n", encoding="utf-8")
        path.chmod(0o755)

    def start(self, script: str, **environment: str) -> None:
        path = f"{self.root}/bin:{os.environ['PATH']}"
        self.process = subprocess.Popen(
            ["/bin/sh", str(self.config / script)],
            env={"PATH": path, "CALLS": str(self.calls), **environment},
            start_new_session=True,
        )

    def called(self) -> list[str]:
        return self.calls.read_text().splitlines()

    def wait(self, holds: Callable[[], bool]) -> None:
        deadline = time.monotonic() + SECONDS
        while not holds():
            assert time.monotonic() < deadline, self.called()
            time.sleep(0.02)

    def end(self) -> None:
        if self.process and self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGKILL)
            self.process.wait()


@pytest.fixture
def pod(tmp_path: Path, request: pytest.FixtureRequest) -> Iterator[Pod]:
    found = Pod(tmp_path, request.param)
    yield found
    found.end()


@pytest.mark.parametrize("pod", ["mariadb"], indirect=True)
def test_the_database_loads_what_is_new_and_tries_again_until_it_has(pod: Pod) -> None:
    pod.script("tls-start.sh")
    pod.standin(pod.config / "start.sh", 'echo started >>"$CALLS"; exec sleep 60')
    answer = f'echo "$*" >>"$CALLS"; [ ! -e {pod.root}/refuse ] || exit 1; echo loaded >>"$CALLS"'
    pod.standin(pod.root / "bin" / "mariadb", answer)
    (pod.root / "refuse").touch()
    pod.start("tls-start.sh", FWB_TLS_SECONDS="0.05")
    pod.wait(lambda: pod.called() == ["started"])
    pod.renew("second")
    pod.wait(lambda: len(pod.called()) > 2)  # the server isn't there yet
    assert pod.called()[1].endswith("FLUSH LOCAL SSL")
    (pod.root / "refuse").unlink()
    pod.wait(lambda: "loaded" in pod.called())
    pod.renew("third")
    pod.wait(lambda: pod.called().count("loaded") == 2)


def sentinel(pod: Pod) -> None:
    pod.script("sentinel-tls.sh")
    (pod.config / "common.sh").write_text('address() { echo "$1"; }\n')
    pod.standin(pod.config / "sentinel-start.sh", 'echo started >>"$CALLS"; exec sleep 60')
    # The others answer, but for those of whom there is a file.
    body = f"""for word; do [ ! -e {pod.root}/gone-"$word" ] || {{ echo >>"$CALLS-asked"; exit 1; }}; done
echo NOAUTH"""
    pod.standin(pod.root / "bin" / "valkey-cli", body)


RUN = {"POD_NAME": "valkey-sentinel-1", "FWB_SENTINELS": "2"}


@pytest.mark.parametrize("pod", ["valkey-sentinel"], indirect=True)
def test_a_sentinel_restarts_when_all_others_answer(pod: Pod) -> None:
    sentinel(pod)
    asked = Path(f"{pod.calls}-asked")
    (pod.root / "gone-valkey-sentinel-0").touch()
    pod.start("sentinel-tls.sh", **RUN, FWB_TLS_SLOT="2")
    pod.wait(lambda: pod.called() == ["started"])
    pod.renew("second")
    # Its turn has come, and one that is gone has been asked for.
    pod.wait(lambda: asked.exists())
    assert pod.called() == ["started"]
    (pod.root / "gone-valkey-sentinel-0").unlink()
    pod.wait(lambda: pod.called() == ["started", "started"])


@pytest.mark.parametrize("pod", ["valkey-sentinel"], indirect=True)
def test_a_sentinel_that_is_told_to_end_or_ends_by_itself_ends_the_container(pod: Pod) -> None:
    sentinel(pod)
    pod.start("sentinel-tls.sh", **RUN)
    pod.wait(lambda: pod.called() == ["started"])
    assert pod.process
    pod.process.send_signal(signal.SIGTERM)
    assert pod.process.wait(SECONDS) == 143
    pod.standin(pod.config / "sentinel-start.sh", 'echo started >>"$CALLS"; exit 7')
    pod.start("sentinel-tls.sh", **RUN)
    assert pod.process.wait(SECONDS) == 7
