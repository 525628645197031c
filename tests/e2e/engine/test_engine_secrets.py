"""Secrets appear in no output, diff, log or exception; and the command line's exit codes."""

from __future__ import annotations

import base64
import json

from lab import Lab

VALUE = "correct-horse-battery-1"
OTHER = "correct-horse-battery-2"


def entries(lab: Lab, value: str) -> list[dict[str, object]]:
    encoded = base64.b64encode(value.encode()).decode()
    return [
        {
            "object": {**lab.meta("Secret", "s"), "data": {"password": encoded}},
            "secret": ["data"],
            "exportSecret": "pw",
        },
        # marked as a secret in the program only, and shown in plain by an object that is no Secret
        lab.config_map("leaky", {"url": f"mysql://app:{value}@db"}, secret=["data"]),
        lab.config_map("copied", {"url": f"{value}"}),
        lab.job("talkative", f"echo logging in with {value} or {encoded}; exit 1", dependsOn=["s"]),
    ]


def run(lab: Lab, *arguments: str) -> tuple[int, str]:
    process = lab.fwb(*arguments, "--engine", "embedded")
    said, _ = process.communicate(timeout=100)
    return process.returncode, said


def assert_silent(text: str) -> None:
    for value in (VALUE, OTHER):
        assert value not in text
        assert base64.b64encode(value.encode()).decode() not in text


def test_no_command_says_a_secret(lab: Lab) -> None:
    lab.declare(*entries(lab, VALUE))
    for arguments in (
        ["preview", lab.stack, "--diff"],
        ["render", lab.stack, "--json"],
        ["render", lab.stack],
    ):
        code, said = run(lab, *arguments) if arguments[0] != "render" else _render(lab, arguments)
        assert code == 0, said
        assert_silent(said)
    code, said = run(lab, "up", lab.stack, "--diff", "--no-checks")
    assert code == 1
    assert "| logging in with [secret] or [secret]" in said
    assert_silent(said)
    lab.declare(*entries(lab, OTHER))
    code, said = run(lab, "preview", lab.stack, "--json")
    assert code == 0, said
    assert_silent(said)
    diffs = {each["object"]["name"]: each["diff"] for each in json.loads(said)["resources"] if each["object"]}
    assert diffs["s"] == [{"path": "data.password", "before": "[secret]", "after": "[secret]"}]
    assert diffs["leaky"][0]["after"] == "[secret]"
    record = lab.kube.get("v1", "ConfigMap", lab.record, "default")
    assert_silent(json.dumps(record))


def _render(lab: Lab, arguments: list[str]) -> tuple[int, str]:
    process = lab.fwb(*arguments)
    said, _ = process.communicate(timeout=60)
    return process.returncode, said


def test_usage_and_configuration_faults_end_with_2(lab: Lab) -> None:
    code, said = run(lab, "up", "nosuch", "--no-checks")
    assert code == 2
    assert f"There is no stack 'nosuch'\n  Stacks of listed: {lab.stack}." in said
    raising = "raise SettingsError('mariadb.storage.size: is 5 apples')"
    defined = "class SettingsError(Exception):\n    exit_code = 2"
    (lab.folder / "__main__.py").write_text(f"{defined}\n\n{raising}\n")
    code, said = run(lab, "preview", lab.stack)
    assert (code, said.strip().splitlines()[-1]) == (2, "fwb: mariadb.storage.size: is 5 apples")


def test_a_bug_of_the_program_shows_its_own_frames_only(lab: Lab) -> None:
    (lab.folder / "helper.py").write_text("def divide():\n    return 1 / 0\n")
    (lab.folder / "__main__.py").write_text("import helper\n\nhelper.divide()\n")
    code, said = run(lab, "up", lab.stack, "--no-checks")
    assert code == 1
    assert "helper.py" in said
    assert "ZeroDivisionError: division by zero" in said
    assert "site-packages" not in said
    assert "runpy" not in said
    assert lab.kube.get("v1", "Namespace", lab.namespace) is None
