"""Whatever a user hands in or forgets: one message that names it, the right exit code, and no traceback."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from made_project import MINIMAL, fwb, project

from filewallball import cli, errors
from filewallball.cli import ending
from filewallball.errors import UserError
from filewallball.explain import explained

LAUGHS = "a: &a [x, x, x, x, x, x, x, x, x, x]\n" + "".join(
    f"{chr(98 + n)}: &{chr(98 + n)} [{', '.join([f'*{chr(97 + n)}'] * 10)}]\n" for n in range(9)
)
FILES: dict[str, tuple[bytes, str]] = {
    "latin-1": ("# Größe\n".encode("latin-1") + MINIMAL.encode(), "not UTF-8: line 1 holds the byte 0xf6"),
    "euc-kr": (MINIMAL.encode() + "# 세션\n".encode("euc-kr"), "not UTF-8: line 4 holds the byte"),
    "utf-16": (MINIMAL.encode("utf-16"), "not UTF-8: line 1"),
    "binary": (bytes(range(256)), "not UTF-8"),
    "control": (b"config: \x01\n", "not valid YAML"),
    "list": (b"- a\n", "must be a mapping"),
    "text": (b"hello\n", "must be a mapping"),
    "open": (b"config: [\n", "not valid YAML"),
    "two-documents": (b"a: 1\n---\nb: 2\n", "not valid YAML"),
    "twice": (b"config:\n  a: 1\n  a: 2\n", "line 3 is not valid YAML: a: this key stands here twice"),
    "itself": (b"config: &a\n  filewallball:valkey: *a\n", "this value refers to itself"),
    "itself-in-list": (b"config:\n  filewallball:valkey: &a [*a]\n", "this value refers to itself"),
    "laughs": (LAUGHS.encode(), "its aliases make more than 100000 values"),
    "deep": (b"config: " + b"[" * 5000 + b"]" * 5000, "nested too deeply"),
    "tag": (b"config: !!python/object/apply:os.system [ls]\n", "not valid YAML"),
    "set": (b"config: {filewallball:valkey: !!set {a}}\n", "not valid YAML"),
    "config-list": (b"config: [a]\n", "config is an array, and must be a mapping"),
    "config-text": (b"config: a\n", "config is a string, and must be a mapping"),
    "number-keys": (b"config: {1: {2: 3}}\n", "cluster: is missing"),
    "odd-key": (b"config: {[1, 2]: 3}\n", "not valid YAML"),
    "no-config": (b"encryptionsalt: v1:a:b\n", "cluster: is missing"),
    "empty": (b"", "cluster: is missing"),
    "null": (b"config:\n", "cluster: is missing"),
}


def main(capsys: pytest.CaptureFixture[str], *arguments: str) -> tuple[int, str]:
    before = sys.argv
    sys.argv = ["fwb", *arguments]
    errors.WORK_BEGUN.clear()
    try:
        cli.main()
    except SystemExit as left:
        shown = capsys.readouterr()
        return int(left.code or 0), shown.out + shown.err
    finally:
        sys.argv = before
    raise AssertionError("main ends by exiting")


@pytest.mark.parametrize("command", ["render", "check"])
@pytest.mark.parametrize("case", FILES)
def test_a_stack_file_that_cannot_be_understood(
    case: str, command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data, told = FILES[case]
    code, said = main(capsys, command, "dev", "--cwd", str(project(tmp_path, data)))
    assert code == 2
    assert told in said
    assert "Pulumi.dev.yaml" in said
    assert "Traceback" not in said
    assert len(said) < 2000


def _folder(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.mkdir()


def _loop(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to(path.name)


def _pipe(path: Path) -> None:
    path.unlink(missing_ok=True)
    os.mkfifo(path)


def _dangling(path: Path) -> None:
    path.unlink(missing_ok=True)
    path.symlink_to("nowhere")


@pytest.mark.parametrize("name", ["Pulumi.dev.yaml", "Pulumi.yaml"])
@pytest.mark.parametrize(
    ("made", "told"),
    [(_folder, "Is a directory"), (_loop, "symbolic link"), (_pipe, "is not a file"), (_dangling, "No such")],
    ids=["folder", "loop", "pipe", "dangling"],
)
def test_what_stands_where_a_file_should(
    made: Callable[[Path], None], told: str, name: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    made(project(tmp_path) / name)
    code, said = main(capsys, "backup", "list", "dev", "--cwd", str(tmp_path))
    assert code == 2
    assert told in said
    assert name in said


def test_folders_without_a_project(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for folder, told in (("empty", "has no Pulumi.yaml"), ("nowhere", "has no Pulumi.yaml")):
        if folder == "empty":
            (tmp_path / folder).mkdir()
        code, said = main(capsys, "preview", "dev", "--cwd", str(tmp_path / folder), "--engine", "embedded")
        assert code == 2
        assert told in said
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, said = main(capsys, "render", "dev", "--cwd", str(tmp_path / "file"))
    assert code == 2
    assert "file" in said


@pytest.mark.parametrize("where", ["file/out", "Pulumi.dev.yaml", "loop/out", "x" * 300, "/proc/nowhere/out"])
def test_rendering_into_what_cannot_be_a_folder(
    where: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    folder = _small(tmp_path)
    (folder / "file").write_text("", encoding="utf-8")
    _loop(folder / "loop")
    code, said = main(capsys, "render", "dev", "--cwd", str(folder), "--yaml", str(folder / where))
    assert code == 2
    assert "Cannot use" in said
    assert where[:13] in said


def test_results_that_could_not_be_kept_are_not_even_looked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from filewallball.checks import remote

    monkeypatch.setattr(remote.stack, "find", lambda *_: None)
    monkeypatch.setattr(remote, "_on_demand", lambda *_: pytest.fail("no check may run"))
    (tmp_path / "file").write_text("", encoding="utf-8")
    code, said = main(capsys, "check", "dev", "--junit", str(tmp_path / "file" / "results.xml"))
    assert code == 2
    assert "results.xml" in said


UNKNOWN = [
    (["render", "de"], "Did you mean dev?"),
    (["check", "dve"], "Did you mean dev?"),
    (["valkey", "restore", "dav", "--latest", "--yes"], "Did you mean dev?"),
    (["backup", "now", "../dev"], "Did you mean dev?"),
    (["check", "dev", "redis-evictoin"], "did you mean redis-eviction?"),
    (["drill", "valkey", "dev", "--event", "pod-deletd", "--yes"], "Did you mean pod-deleted"),
    (["preview", "dev", "--engine", "pulum"], "Did you mean pulumi?"),
    (["sandbox", "kubeconfig", "--name", "filewallbal"], "Did you mean filewallball?"),
    (["sandbox", "status", "--name", "filewalball"], "Did you mean filewallball?"),
    (["sandbox", "down", "--name", "filewalball"], "Did you mean filewallball?"),
    (["rendr", "dev"], "render"),
    (["check", "dev", "--quik"], "--quick"),
]


@pytest.mark.parametrize(("arguments", "told"), UNKNOWN, ids=[" ".join(each) for each, _ in UNKNOWN])
def test_a_name_that_is_not_there_is_answered_with_the_nearest(
    arguments: list[str],
    told: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("FWB_STATE", str(tmp_path / "state"))
    (tmp_path / "state" / "sandbox" / "filewallball").mkdir(parents=True)
    monkeypatch.chdir(project(tmp_path))
    code, said = main(capsys, *arguments)
    assert code in ((0,) if arguments[:2] == ["sandbox", "down"] else (1, 2))
    assert told in said


def _small(folder: Path) -> Path:
    (folder / "Pulumi.yaml").write_text("name: t\nruntime: python\n", encoding="utf-8")
    (folder / "Pulumi.dev.yaml").write_text("", encoding="utf-8")
    (folder / "__main__.py").write_text(
        "import pulumi\n"
        "for n in range(3):\n"
        "    props = {'apiVersion': 'v1', 'kind': 'ConfigMap', 'metadata': {'name': f'a{n}'}}\n"
        "    pulumi.CustomResource('kubernetes:core/v1:ConfigMap', f'a{n}', props)\n",
        encoding="utf-8",
    )
    return folder


def powerless(*command: str) -> list[str]:
    """The command without the right to read and write everything, which root has."""
    if os.geteuid() != 0:
        return list(command)
    return ["setpriv", "--bounding-set=-dac_override,-dac_read_search", *command]


def run(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        powerless(sys.executable, "-m", "filewallball.cli", *arguments),
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[3]), **environment},
        capture_output=True,
        encoding="utf-8",
        check=False,
        timeout=120,
    )


def test_what_may_not_be_read_or_written_is_named(tmp_path: Path) -> None:
    sandbox = tmp_path / "state" / "sandbox" / "private"
    sandbox.mkdir(parents=True)
    (sandbox / "kubeconfig").write_text("", encoding="utf-8")
    text = MINIMAL.replace("{context: nowhere, kubeconfig: /nowhere/kubeconfig}", "{sandbox: private}")
    folder = project(tmp_path, text)
    closed = tmp_path / "closed"
    closed.mkdir()
    for path in (sandbox, closed):
        path.chmod(0)
    state = str(tmp_path / "state")
    try:
        for arguments, name in (
            (["check", "dev", "--cwd", str(folder)], "kubeconfig"),
            (["render", "dev", "--cwd", str(closed)], "'--cwd'"),
            (["sandbox", "kubeconfig", "--name", "private"], "kubeconfig"),
            (["check", "dev", "--cwd", str(folder), "--junit", str(closed / "r.xml")], "kubeconfig"),
        ):
            done = run(*arguments, FWB_STATE=state)
            assert done.returncode == 2, done.stderr
            assert "Permission denied" in done.stderr or "not readable" in done.stderr
            assert name in done.stderr
            assert "Traceback" not in done.stderr
    finally:
        for path in (sandbox, closed):
            path.chmod(0o700)


def test_a_home_that_is_not_there(tmp_path: Path) -> None:
    text = MINIMAL.replace(", kubeconfig: /nowhere/kubeconfig", "")
    done = fwb("backup", "list", "dev", folder=project(tmp_path, text), environment={"HOME": "/nowhere"})
    assert done.returncode == 2
    assert b"Traceback" not in done.stderr


def test_streams_that_are_closed_or_end(tmp_path: Path) -> None:
    folder = _small(tmp_path)
    command = f"{sys.executable} -m filewallball.cli render dev"
    environment = {**os.environ, "PYTHONPATH": str(Path(__file__).parents[3])}
    for shell, code, told in (
        (f"set -o pipefail; {command} --json | head -c 1", 0, ""),
        (f"{command} <&- >&-", 0, ""),
        (f"{command} <&- >&- 2>&-", 0, ""),
        (f"{command} >/dev/full", 2, "Cannot use the standard output: No space left on device"),
        (f"{command} --yaml /dev/full/x", 2, "/dev/full/x"),
    ):
        done = subprocess.run(
            ["bash", "-c", shell],
            cwd=folder, env=environment, capture_output=True, encoding="utf-8", check=False, timeout=120,
        )  # fmt: skip
        assert done.returncode == code, done.stderr
        assert told in done.stderr
        assert ("Traceback" in done.stderr, "Exception" in done.stderr) == (False, False)


def test_ctrl_c(capsys: pytest.CaptureFixture[str]) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    with pytest.raises(SystemExit) as left:
        ending.end_in_order(interrupted)
    assert left.value.code == 130
    assert capsys.readouterr().err == "fwb: interrupted\n"


def test_a_fault_of_ours_is_short_and_says_where_all_of_it_is(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def faulty() -> None:
        raise AssertionError("what nobody thought of\nwith a second line")

    monkeypatch.delenv("FWB_TRACEBACK", raising=False)
    monkeypatch.setattr(ending.tempfile, "tempdir", str(tmp_path))
    with pytest.raises(SystemExit) as left:
        ending.end_in_order(faulty)
    said = capsys.readouterr().err
    [saved] = tmp_path.iterdir()
    assert left.value.code == 1
    assert "a fault of fwb itself: AssertionError: what nobody thought of" in said
    assert str(saved) in said
    assert len(said.splitlines()) == 2
    assert "in faulty" in saved.read_text(encoding="utf-8")
    monkeypatch.setattr(ending.tempfile, "tempdir", "/nowhere")
    monkeypatch.setenv("FWB_TRACEBACK", "1")
    with pytest.raises(SystemExit):
        ending.end_in_order(faulty)
    assert "in faulty" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (OSError(28, "No space left on device"), "Make room"),
        (OSError(24, "Too many open files"), "ulimit -n"),
        (OSError(30, "Read-only file system", "/x"), "/x: Read-only"),
        (FileNotFoundError(2, "No such file or directory", b"/x\xff"), "/x"),
        (RuntimeError("Could not determine home directory."), "Set HOME"),
        (subprocess.CalledProcessError(3, ["ip", "link"], stderr=b"no\xff"), "`ip link` ended with 3"),
        (subprocess.TimeoutExpired(["ip"], 3), "did not end within 3 s"),
        (MemoryError(), "not enough memory"),
    ],
    ids=str,
)
def test_what_the_system_refuses_ends_with_2_and_with_1_once_work_has_begun(
    error: Exception, told: str
) -> None:
    errors.WORK_BEGUN.clear()
    found = explained(error)
    assert found
    assert told in str(found)
    assert found.exit_code == 2
    errors.WORK_BEGUN.set()
    found = explained(error)
    assert found
    assert found.exit_code == 1
    errors.WORK_BEGUN.clear()


def test_faults_of_ours_are_not_explained_away() -> None:
    for error in (
        KeyError("x"),
        AssertionError(),
        OSError("of a socket"),
        RuntimeError("dictionary changed"),
    ):
        assert explained(error) is None
    own = UserError("a", "b")
    assert explained(own) is own
