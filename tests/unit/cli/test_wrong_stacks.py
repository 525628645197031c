"""Every command refuses a wrong stack in the same words, with exit code 2, before it asks anything.

All that can be wrong with a stack: tests/unit/program/test_matrix_of_settings.py.
"""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Any

import pytest
from made_project import MINIMAL, fwb, project

from filewallball import cli
from filewallball.engine.program.monitor import Monitor
from filewallball.kube import Kube

COMMANDS = [
    ["render", "dev"],
    ["preview", "dev", "--engine", "embedded"],
    ["up", "dev", "--engine", "embedded"],
    ["policy", "dev"],
    ["check", "dev"],
    ["backup", "list", "dev"],
]
WRONG = f"""{MINIMAL}  filewallball:redis: {{maxmemory: 1gb, hostPath: /x}}
  filewallball:valkey: {{appendOnly: yes}}
  filewallball:timeZone: KST
"""
TOLD = [
    'redis.hostPath = "/x": no such key here, but mariadb.storage.hostPath and',
    'valkey.appendOnly = "yes": not a switch; write true or false',
    'timeZone = "KST": no such time zone; write a name of the IANA list, such as Asia/Seoul or Etc/UTC',
]


@pytest.mark.parametrize("arguments", COMMANDS, ids=" ".join)
def test_a_wrong_stack_is_refused_by_every_command(
    arguments: list[str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    begun: list[str] = []
    real = Monitor.RegisterResource

    def counted(monitor: Monitor, request: Any) -> Any:
        begun.extend([request.type] if request.type != "pulumi:pulumi:Stack" else [])
        return real(monitor, request)

    monkeypatch.setattr(Monitor, "RegisterResource", counted)
    monkeypatch.setattr(Kube, "connect", lambda *_: begun.append("a cluster"))
    monkeypatch.setattr(sys, "argv", ["fwb", *arguments, "--cwd", str(project(tmp_path, WRONG))])
    with pytest.raises(SystemExit) as left:
        cli.main()
    said = capsys.readouterr().err
    assert (left.value.code, begun) == (2, [])
    assert "Pulumi.dev.yaml: 3 values are wrong; nothing has been changed." in said
    assert [part for part in TOLD if part not in said] == []
    assert "Traceback" not in said


def test_the_command_in_a_process_of_its_own(tmp_path: Path) -> None:
    done = fwb("render", "dev", "--json", folder=project(tmp_path, WRONG))
    assert (done.returncode, done.stdout) == (2, b"")
    assert all(part.encode() in done.stderr for part in TOLD)
