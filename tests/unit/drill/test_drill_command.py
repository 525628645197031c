"""What `fwb drill valkey` refuses before anything happens, and what it asks."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from made_up import FakeKube, place
from typer.testing import CliRunner

from filewallball import stack
from filewallball.cli import app
from filewallball.drill import command, pod
from filewallball.drill.events import EVENTS
from filewallball.drill.members import Set
from filewallball.drill.valkey import VALKEY
from filewallball.errors import ConfigError, UserError

STACK_FILE = """
config:
  filewallball:cluster: {{kubeconfig: {kubeconfig}, context: c}}
  filewallball:backup: {{store: {{inCluster: true}}}}
"""
KUBECONFIG = json.dumps(
    {
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:1"}}],
        "contexts": [{"name": "c", "context": {"cluster": "c", "user": "u"}}],
        "users": [{"name": "u", "user": {"token": "t"}}],
    }
)
ON_ANY_CLUSTER = [event.name for event in EVENTS if not event.on_nodes]


class Untouchable:
    """A cluster that fails the test when it is so much as looked at."""

    context = "prod"

    def __getattr__(self, name: str):
        pytest.fail(f"the cluster was asked for {name}")


@pytest.fixture
def found(monkeypatch: pytest.MonkeyPatch):
    """`found(place)`: what the stack's settings lead to."""

    def set_place(where) -> None:
        monkeypatch.setattr(stack, "find", lambda *_: where)

    return set_place


def test_stack_that_is_not_disposable_is_refused_before_anything_happens(found, tmp_path: Path):
    found(place(Untouchable(), disposable=False))
    with pytest.raises(ConfigError, match="isn't marked as disposable"):
        command.drill(VALKEY, tmp_path, "dev", yes=True, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_unknown_event_is_refused_before_the_stack_is_read(tmp_path: Path):
    with pytest.raises(ConfigError, match=r"no event earthquake, flood[\s\S]*pod-deleted"):
        command.drill(VALKEY, tmp_path, "dev", ["earthquake", "pod-deleted", "flood"])


@pytest.mark.parametrize("rounds", [0, -1])
def test_rounds_below_one_are_refused(tmp_path: Path, rounds):
    with pytest.raises(ConfigError, match=f"--rounds {rounds}"):
        command.drill(VALKEY, tmp_path, "dev", rounds=rounds)


def test_events_on_nodes_are_refused_elsewhere_than_on_a_sandbox(found, tmp_path: Path):
    found(place(Untouchable(), sandbox=None))
    with pytest.raises(ConfigError) as refused:
        command.drill(VALKEY, tmp_path, "dev", ["pod-deleted", "process-frozen", "all-pods"], yes=True)
    assert "process-frozen, all-pods can't run there" in refused.value.message
    assert f"Choose from: {', '.join(ON_ANY_CLUSTER)}" in refused.value.hint


def test_without_names_the_possible_events_run_and_the_others_are_named():
    chosen, [left_out] = command.possible(VALKEY, place(sandbox=None), EVENTS, named=False)
    assert [event.name for event in chosen] == ON_ANY_CLUSTER
    assert "process-killed" in left_out


def test_a_sandbox_allows_everything():
    assert command.possible(VALKEY, place(), EVENTS, named=False) == (list(EVENTS), [])


def test_events_keep_their_order_whatever_order_they_are_named_in():
    assert [event.name for event in command.select(VALKEY, ["all-pods", "pod-deleted"])] == [
        "pod-deleted",
        "all-pods",
    ]


def test_nobody_to_ask_and_no_yes(found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, the_set):
    found(place())
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False)
    with pytest.raises(ConfigError, match="nobody to ask"):
        command.drill(VALKEY, tmp_path, "dev", out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


def test_the_answer_no(found, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, the_set, capsys):
    found(place())
    monkeypatch.setattr(sys.stdin, "isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda: "no")
    with pytest.raises(UserError, match="Nothing was done"):
        command.drill(VALKEY, tmp_path, "dev", ["all-pods"], rounds=3, out=tmp_path / "out")
    assert "3 times each:\n  all-pods: every container" in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def test_rounds_of_an_earlier_drill_are_not_overwritten(found, tmp_path: Path, the_set):
    found(place())
    (tmp_path / "rounds.jsonl").write_text("{}\n")
    with pytest.raises(ConfigError, match="--resume"):
        command.drill(VALKEY, tmp_path, "dev", yes=True, out=tmp_path)


@pytest.fixture
def the_set(monkeypatch: pytest.MonkeyPatch) -> Set:
    """A set is found in the cluster; no pod may be started in it."""
    found = Set(
        place(),
        {f"valkey-{n}": (f"10.0.0.{n}", 6379) for n in range(3)},
        {f"valkey-sentinel-{n}": (f"10.0.1.{n}", 26379) for n in range(5)},
        "filewallball/toolkit:1",
        "IfNotPresent",
        "docker.io/valkey/valkey:8.1",
        append_only=False,
    )
    monkeypatch.setattr(Set, "find", lambda _: found)
    monkeypatch.setattr(pod, "running", lambda *_: pytest.fail("a pod was started"))
    return found


def test_stack_without_session_servers(found, tmp_path: Path):
    found(place(FakeKube()))
    with pytest.raises(UserError, match=r"no StatefulSet valkey in namespace[\s\S]*fwb up dev"):
        command.drill(VALKEY, tmp_path, "dev", yes=True, out=tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.fixture
def cli(tmp_path: Path):
    """`cli("NAME", "--yes")`: the command on stacks of a project in `tmp_path`."""
    project = Path(__file__).parents[3]
    for name in ("Pulumi.yaml", "__main__.py", "settings.py", "components"):
        (tmp_path / name).symlink_to(project / name)
    return lambda *arguments: CliRunner().invoke(app, ["drill", "valkey", *arguments, "--cwd", str(tmp_path)])


def test_list_shows_events_and_limits(cli):
    result = cli("--list")
    assert result.exit_code == 0
    assert "network-cut-in" in result.stdout
    assert "no write by a lone primary after 10 s" in result.stdout
    assert "on a sandbox only" in result.stdout


def test_settings_decide_what_is_disposable(cli, tmp_path: Path):
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(KUBECONFIG)
    (tmp_path / "Pulumi.shop.yaml").write_text(STACK_FILE.format(kubeconfig=kubeconfig))
    result = cli("shop", "--yes")
    assert isinstance(result.exception, ConfigError)
    assert "shop isn't marked as disposable" in str(result.exception)
    assert "filewallball:disposable: true" in str(result.exception)


def test_a_relative_kubeconfig_starts_from_the_projects_folder(
    cli, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    (tmp_path / "own").mkdir()
    (tmp_path / "own" / "kubeconfig").write_text(KUBECONFIG)
    (tmp_path / "Pulumi.shop.yaml").write_text(STACK_FILE.format(kubeconfig="own/kubeconfig"))
    monkeypatch.chdir("/")
    assert "shop isn't marked as disposable" in str(cli("shop", "--yes").exception)


def test_stack_must_be_named(cli):
    result = cli()
    assert isinstance(result.exception, ConfigError)
    assert "Which stack" in str(result.exception)
