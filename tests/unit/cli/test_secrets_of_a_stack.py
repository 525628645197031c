"""What was set with --secret: read by every command, printed by none."""

from __future__ import annotations

import base64
import json
import re
import sys
from pathlib import Path

import pytest
from made_project import PHRASE, Sealer, project

from filewallball import cli, redact, stack
from filewallball.backup import remote as backup
from filewallball.checks import remote as checks
from filewallball.drill import command as drill
from filewallball.engine import native
from filewallball.snapshots import remote as snapshots

READERS = [
    ["render", "dev"],
    ["preview", "dev", "--engine", "embedded"],
    ["up", "dev", "--engine", "embedded"],
    ["destroy", "dev", "--engine", "embedded", "--yes"],
    ["check", "dev"],
    ["backup", "now", "dev"],
    ["backup", "list", "dev"],
    ["valkey", "backup", "now", "dev"],
    ["valkey", "backup", "list", "dev"],
    ["valkey", "restore", "dev", "--latest", "--yes"],
    ["drill", "valkey", "dev", "--yes"],
]
ids = " ".join


@pytest.fixture(autouse=True)
def _phrase(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", PHRASE)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    monkeypatch.setattr(redact, "KNOWN", redact.Redactor())


def run(
    arguments: list[str], folder: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[int, str]:
    monkeypatch.setattr(sys, "argv", ["fwb", *arguments, "--cwd", str(folder)])
    with pytest.raises(SystemExit) as left:
        cli.main()
    shown = capsys.readouterr()
    return int(left.value.code or 0), shown.out + shown.err


def stack_file(sealer: Sealer, *lines: str, cluster: str = "{context: nowhere, kubeconfig: /nowhere}") -> str:
    return "\n".join(
        [
            f"encryptionsalt: {sealer.salt}",
            "config:",
            f"  filewallball:cluster: {cluster}",
            "  filewallball:backup: {store: {inCluster: true}}",
            *[f"  {line}" for line in lines],
        ]
    )


@pytest.fixture
def reached(monkeypatch: pytest.MonkeyPatch) -> list[stack.Place]:
    """The places that commands found, instead of a cluster."""
    found: list[stack.Place] = []

    class Found(Exception):
        exit_code = 0

    monkeypatch.setattr(stack.Kube, "connect", lambda *_: None)
    real = stack.find

    def spied(*arguments: object) -> stack.Place:
        found.append(real(*arguments))  # type: ignore[arg-type]
        raise SystemExit(0)

    for module in (backup, checks, snapshots, drill):
        monkeypatch.setattr(module.stack, "find", spied)
    return found


@pytest.mark.parametrize("arguments", READERS[4:], ids=ids)
def test_every_command_reads_secure_values(
    arguments: list[str],
    sealer: Sealer,
    reached: list[stack.Place],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = stack_file(
        sealer,
        f"filewallball:valkey: {{maxmemory: {sealer.secure('200mb')}, replicas: {sealer.secure('2')}}}",
        f"filewallball:namespace: {sealer.secure('hidden-place')}",
        f"filewallball:disposable: {sealer.secure('true')}",
    )
    code, said = run(arguments, project(tmp_path, text), monkeypatch, capsys)
    assert (code, said) == (0, "")
    assert [(place.namespace, place.disposable) for place in reached] == [("hidden-place", True)]


@pytest.mark.parametrize("arguments", READERS, ids=ids)
@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({}, "no passphrase is set"),
        ({"PULUMI_CONFIG_PASSPHRASE": "wrong"}, "does not open this stack's secrets"),
        ({"PULUMI_CONFIG_PASSPHRASE": ""}, "does not open this stack's secrets"),
        ({"PULUMI_CONFIG_PASSPHRASE_FILE": "/nowhere/phrase"}, "cannot be read"),
    ],
    ids=["missing", "wrong", "empty", "no-file"],
)
def test_a_missing_or_wrong_passphrase_is_told_by_every_command(
    arguments: list[str],
    environment: dict[str, str],
    told: str,
    sealer: Sealer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = stack_file(sealer, f"filewallball:valkey: {{maxmemory: {sealer.secure('200mb')}}}")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    code, said = run(arguments, project(tmp_path, text), monkeypatch, capsys)
    assert code == 2
    assert told in said
    assert "Traceback" not in said


@pytest.mark.parametrize("arguments", [READERS[0], READERS[4], READERS[6]], ids=ids)
@pytest.mark.parametrize(
    ("head", "told"),
    [
        (
            "secretsprovider: awskms://alias/ours?region=eu-west-1\nencryptedkey: AQICAHh",
            "awskms://alias/ours",
        ),
        ("secretsprovider: hashivault://mykey\nencryptedkey: AQ", "hashivault://mykey"),
        ("encryptedkey: AQICAHh", "encryptedkey"),
        ("{}", "no encryptionsalt"),
        ("encryptionsalt: v1:%%%:v1:a:b", "encryptionsalt is malformed"),
        ("encryptionsalt: v2:abc", "encryptionsalt is malformed"),
        ("environment: [shop/dev]", "environment names environments of Pulumi ESC"),
    ],
    ids=["awskms", "hashivault", "key", "none", "no-base64", "v2", "esc"],
)
def test_other_secrets_providers_are_refused_by_name(
    arguments: list[str],
    head: str,
    told: str,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    body = "config:\n  filewallball:valkey: {maxmemory: {secure: 'v1:AA:BB'}}\n"
    text = body if head == "{}" else f"{head}\n{body}"
    code, said = run(arguments, project(tmp_path, text), monkeypatch, capsys)
    assert code == 2
    assert told in said


WRONG = [
    # key, value with what is secret in it between < and >, what must not be seen
    ("filewallball:valkey", "{maxmemory: <200mib>}", ["200mib"]),
    ("filewallball:valkey", "{replicas: <many-of-them>}", ["many-of-them"]),
    ("filewallball:valkey", "{replicas: <97531>}", ["97531"]),
    ("filewallball:valkey", "{snapshots: {schedule: <0 25 7 8 9>}}", ["25"]),
    ("filewallball:valkey", "{snapshots: <[1234]>}", ["1234"]),
    ("filewallball:valkey", "{image: <registry.example.org/val:latest>}", ["registry.example", "latest"]),
    ("filewallball:redis", "{maxmemory: <999gb>}", ["999"]),
    ("filewallball:timeZone", "<Asia/Soul>", ["Soul"]),
    ("filewallball:namespace", "<Bad_Name>", ["Bad_Name"]),
    ("filewallball:disposable", "<perhaps>", ["perhaps"]),
    ("filewallball:mariadb", '<["a-list", 1]>', ["a-list"]),
    ("filewallball:checks", "<just text>", ["just text"]),
    ("filewallball:unknown", "<whatever-it-is>", ["whatever-it-is"]),
]


@pytest.mark.parametrize("arguments", [READERS[0], READERS[4]], ids=ids)
@pytest.mark.parametrize(
    ("key", "value", "unseen"), WRONG, ids=[f"{key}-{unseen[0]}" for key, _, unseen in WRONG]
)
def test_a_refused_secret_is_not_shown(
    arguments: list[str],
    key: str,
    value: str,
    unseen: list[str],
    sealer: Sealer,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    text = stack_file(sealer, f"{key}: {re.sub('<(.*)>', lambda match: sealer.secure(match[1]), value)}")
    code, said = run(arguments, project(tmp_path, text), monkeypatch, capsys)
    assert code == 2, said
    assert key.partition(":")[2] in said
    for word in unseen:
        assert word not in said


def test_nothing_that_is_rendered_holds_a_secret(
    sealer: Sealer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    text = stack_file(
        sealer,
        f"filewallball:valkey: {{maxmemory: {sealer.secure('213mb')}}}",
        f"filewallball:redis: {sealer.secure(json.dumps({'maxmemory': '97mb'}))}",
        f"filewallball:namespace: {sealer.secure('hidden-place')}",
    )
    folder = project(tmp_path, text)
    shown = ""
    for more in ([], ["--json"], ["--yaml", str(tmp_path / "out")]):
        code, said = run(["render", "dev", *more], folder, monkeypatch, capsys)
        assert code == 0
        shown += said
    for path in (tmp_path / "out").iterdir():
        shown += path.name + path.read_text(encoding="utf-8")
    assert "[secret]" in shown
    for secret in ("213mb", "97mb", "hidden-place"):
        assert secret not in shown
        assert base64.b64encode(secret.encode()).decode() not in shown


def test_a_fault_of_the_program_shows_no_secret(
    sealer: Sealer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n", encoding="utf-8")
    (tmp_path / "__main__.py").write_text(
        "import pulumi, os\n"
        "config = pulumi.Config()\n"
        "word, deep = config.require('word'), config.require_object('deep')\n"
        "raise ValueError(f'{word} and {os.environ} and {deep}')\n",
        encoding="utf-8",
    )
    (tmp_path / "Pulumi.dev.yaml").write_text(
        f"encryptionsalt: {sealer.salt}\nconfig:\n  shop:word: {sealer.secure('tell-nobody')}\n"
        f"  shop:deep: {{list: [{{a: {sealer.secure('nor-this')}}}]}}\n",
        encoding="utf-8",
    )
    monkeypatch.setenv("FWB_TRACEBACK", "1")
    code, said = run(["render", "dev"], tmp_path, monkeypatch, capsys)
    assert code == 1
    assert "ValueError: [secret] and" in said
    assert "tell-nobody" not in said
    assert "nor-this" not in said


def test_the_programs_settings_mask_what_pulumi_says_is_secret(monkeypatch: pytest.MonkeyPatch) -> None:
    import settings

    values = {
        "filewallball:cluster": '{"sandbox": "x"}',
        "filewallball:backup": '{"store": {"inCluster": true}}',
        "filewallball:redis": '{"maxmemory": "1gb"}',
    }
    with pytest.raises(settings.SettingsError) as raised:
        settings.load(values, "dev", secret=["filewallball:redis"])
    assert "maxmemory [secret] doesn't fit into" in str(raised.value)
    assert "1gb" not in str(raised.value)
    assert "384Mi" not in str(raised.value)


def test_native_is_chosen_by_a_right_name_only() -> None:
    with pytest.raises(Exception, match="no engine 'embeded'\n  Did you mean embedded"):
        native.choose("embeded")
