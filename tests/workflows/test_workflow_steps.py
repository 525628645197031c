"""The workflows' own steps, run as they stand there, in a repository made for it, on stubs of the cloud."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path
from typing import Any

import pytest

from tests.unit.preview.made_trees import Repo, git
from tests.workflows.stubs import Stubs, answering
from tests.workflows.test_workflows import ROOT, RUN_ELSEWHERE, WORKFLOWS, steps

MARKER = "<!-- fwb preview dev -->"
VALUES = {
    "${{ matrix.stack }}": "dev",
    "${{ github.base_ref }}": "main",
    "${{ github.run_id }}": "17",
    "${{ github.event.workflow_run.id }}": "17",
    "${{ github.event.pull_request.number }}": "5",
    "${{ steps.find.outputs.number }}": "5",
    "${{ github.event.workflow_run.html_url }}": "https://github.example/o/r/actions/runs/17",
    "${{ github.event.workflow_run.head_repository.owner.login }}": "stranger",
    "${{ github.event.workflow_run.head_branch }}": "feature/$(id)",
    "${{ github.event.workflow_run.head_sha }}": "abc",
    "${{ github.token }}": "token",
}
RUN_URL = "${{ github.server_url }}/${{ github.repository }}/actions/runs/${{ github.run_id }}"


class Runner:
    """A runner of GitHub: a checkout, the files that it gives to a step, and stubs on PATH."""

    def __init__(self, folder: Path) -> None:
        self.repo = Repo(folder / "checkout")
        self.stubs = Stubs(folder / "bin")
        for name in ("gh", "pulumi", "aws", "make"):
            self.stubs.add(name)
        (self.repo.folder / "scripts").mkdir()
        (self.repo.folder / "scripts" / "ci").symlink_to(ROOT / "scripts" / "ci")
        self.files = {name: folder / name for name in ("GITHUB_ENV", "GITHUB_OUTPUT", "GITHUB_STEP_SUMMARY")}
        self.temporary = folder / "temp"
        self.temporary.mkdir()

    def run(self, which: str, **more: str) -> subprocess.CompletedProcess[str]:
        """Run a step, `workflow: its name`, with its own `env` and what `more` gives to it."""
        workflow, _, name = which.partition(": ")
        [path] = [each for each in WORKFLOWS if each.stem == workflow]
        step: dict[str, Any] = next(each for each in steps(path) if each.get("name") == name)
        given = {key: _value(str(value)) for key, value in step.get("env", {}).items()}
        environment = {
            "PATH": self.stubs.path,
            "HOME": os.environ.get("HOME", "/"),
            "RUNNER_TEMP": str(self.temporary),
            "GITHUB_REPOSITORY": "o/r",
            **{key: str(value) for key, value in self.files.items()},
            **given,
            **more,
        }
        return subprocess.run(
            ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", step["run"]],
            cwd=self.repo.folder,
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )

    def rendered(self, text: str = f"{MARKER}\nchanges\n", name: str = "dev.md") -> None:
        self.repo.write(f"preview/{name}", text)


def _value(text: str) -> str:
    if text == RUN_URL:
        return "https://github.example/o/r/actions/runs/17"
    # variables and secrets that nobody has set are empty
    return VALUES[text] if "vars." not in text and "secrets." not in text else ""


@pytest.fixture
def runner(tmp_path: Path) -> Runner:
    return Runner(tmp_path)


def of(name: str) -> list[str]:
    """The steps of that name, in whichever workflows."""
    return sorted(each for each in RUN_ELSEWHERE if each.endswith(f": {name}"))


@pytest.mark.parametrize("which", of("Set up"))
def test_set_up(runner: Runner, which: str) -> None:
    assert runner.run(which).returncode == 0
    assert runner.stubs.calls("make") == [[".venv/.ready"]]
    assert ".venv/.ready:" in (ROOT / "Makefile").read_text()


def test_judged_by_others(runner: Runner) -> None:
    assert runner.run("ci: Judged by others").returncode == 0
    assert runner.stubs.calls("make") == [["judge"]]
    assert "\njudge: " in (ROOT / "Makefile").read_text()


def test_compare_the_two_trees(runner: Runner) -> None:
    (runner.repo.folder / ".venv").symlink_to(ROOT / ".venv")
    runner.repo.write(".gitignore", ".venv\npreview\nscripts\n")
    runner.repo.commit("thing('a')")
    git(runner.repo.top, "checkout", "--quiet", "-b", "branch")
    runner.repo.commit("thing('b')")
    git(runner.repo.top, "checkout", "--quiet", "main")
    git(runner.repo.top, "merge", "--quiet", "--no-ff", "branch")
    done = runner.run("preview: Compare the two trees")
    assert done.returncode == 0, done.stderr
    comment = (runner.repo.folder / "preview" / "dev.md").read_text()
    assert comment.startswith(f"{MARKER}\n### dev against origin/main")
    assert "1 to delete, 1 to create" in comment
    assert runner.files["GITHUB_STEP_SUMMARY"].read_text() == comment
    assert sorted(each.name for each in (runner.repo.folder / "preview").iterdir()) == ["dev.html", "dev.md"]

    runner.repo.commit("thing(")
    failed = runner.run("preview: Compare the two trees")
    assert failed.returncode == 1
    comment = (runner.repo.folder / "preview" / "dev.md").read_text()
    assert comment.startswith(f"{MARKER}\n### dev against origin/main: the preview failed\n")
    assert "SyntaxError" in comment


@pytest.mark.parametrize("which", of("Fetch what was rendered"))
def test_fetch_what_was_rendered(runner: Runner, which: str) -> None:
    runner.stubs.add(
        "gh", 'eval "folder=\\${$#}"; mkdir -p "$folder/preview-dev"; cd "$folder/preview-dev";'
        " echo text >dev.md; echo page >dev.html; ln -s /etc/passwd prd.md"
    )  # fmt: skip
    runner.rendered("old", "old.md")
    assert runner.run(which).returncode == 0
    assert [each.name for each in (runner.repo.folder / "preview").iterdir()] == ["dev.md"]
    [call] = runner.stubs.calls("gh")
    assert call[:-1] == ["run", "download", "17", "--repo", "o/r", "--pattern", "preview-*", "--dir"]


@pytest.mark.parametrize("which", of("Write the comments, or edit them"))
@pytest.mark.parametrize(
    ("there", "method", "address"),
    [
        ([], "POST", "repos/o/r/issues/5/comments"),
        ([{"id": 9, "body": f"{MARKER}\nold"}], "PATCH", "repos/o/r/issues/comments/9"),
        ([{"id": 8, "body": "<!-- fwb preview prd -->\nold"}], "POST", "repos/o/r/issues/5/comments"),
    ],
)
def test_comments_are_written_once_and_edited_in_place(
    runner: Runner, which: str, there: list[dict[str, Any]], method: str, address: str
) -> None:
    runner.rendered()
    runner.stubs.add("gh", answering(there, 'each["body"].startswith(os.environ["MARKER"])'))
    done = runner.run(which)
    assert done.returncode == 0, done.stderr
    call = runner.stubs.calls("gh")[-1]
    assert call[:5] == ["api", "--silent", "--method", method, address]
    written = runner.stubs.written()
    assert written.startswith(f"{MARKER}\nchanges\n")
    assert "https://github.example/o/r/actions/runs/17" in written


def test_a_comment_that_is_full_gets_no_link(runner: Runner) -> None:
    runner.rendered(f"{MARKER}\n{'x' * 65_300}\n")
    assert runner.run("preview: Write the comments, or edit them").returncode == 0
    assert len(runner.stubs.written()) == len(MARKER) + 65_302


@pytest.mark.parametrize("text", ["no marker\n", "<!-- fwb preview dev --> x\n", "<!-- other -->\n"])
def test_what_is_no_preview_is_not_commented(runner: Runner, text: str) -> None:
    runner.rendered(text)
    done = runner.run("preview-fork: Write the comments, or edit them")
    assert done.returncode == 1
    assert "is no preview" in done.stderr
    assert runner.stubs.calls("gh") == []


def test_the_pull_request_of_a_fork_is_asked_of_github(runner: Runner) -> None:
    pulls = [{"number": 4, "sha": "old"}, {"number": 6, "sha": "abc"}]
    runner.stubs.add("gh", answering(pulls, 'each["sha"] == os.environ["HEAD_SHA"]'))
    assert runner.run("preview-fork: Find the pull request").returncode == 0
    assert runner.files["GITHUB_OUTPUT"].read_text() == "number=6\n"
    assert "head=stranger:feature/$(id)" in runner.stubs.calls("gh")[0]
    runner.files["GITHUB_OUTPUT"].write_text("")
    done = runner.run("preview-fork: Find the pull request", HEAD_SHA="gone")
    assert (done.returncode, runner.files["GITHUB_OUTPUT"].read_text()) == (0, "")


@pytest.mark.parametrize("which", of("Reach the cluster"))
def test_reach_the_cluster(runner: Runner, which: str) -> None:
    kubeconfig = runner.temporary / "kubeconfig"
    done = runner.run(which)
    assert done.returncode == 2
    assert "no cluster is named" in done.stderr

    assert runner.run(which, KUBECONFIG_CONTENT="apiVersion: v1").returncode == 0
    assert kubeconfig.read_text() == "apiVersion: v1\n"
    assert kubeconfig.stat().st_mode & 0o077 == 0
    assert runner.files["GITHUB_ENV"].read_text() == f"KUBECONFIG={kubeconfig}\n"
    assert runner.stubs.calls("aws") == []

    assert runner.run(which, EKS_CLUSTER="shop").returncode == 0
    named = ["--name", "shop", "--alias", "shop", "--kubeconfig", str(kubeconfig)]
    assert runner.stubs.calls("aws") == [["eks", "update-kubeconfig", *named]]


def test_check_what_was_deployed(runner: Runner) -> None:
    (runner.repo.folder / ".venv" / "bin").mkdir(parents=True)
    runner.stubs.add("fwb", "exit 1")
    (runner.repo.folder / ".venv" / "bin" / "fwb").symlink_to(runner.stubs.folder / "fwb")
    assert runner.run("deploy: Check what was deployed").returncode == 1
    assert runner.stubs.calls("fwb") == [["check", "dev"]]


DRIFT = "drift: Preview, which must be empty"
KNOWN = [{"number": 3, "title": "Drift: dev is not what the main branch says"}]
BY_TITLE = 'each["title"] == os.environ["TITLE"]'


def test_drift_opens_one_issue_and_edits_it(runner: Runner) -> None:
    runner.stubs.add("pulumi", "echo '~ redis ```'; exit 1")
    done = runner.run(DRIFT)
    assert done.returncode == 1
    assert "drift: dev: FAILED" in done.stderr
    [call] = runner.stubs.calls("pulumi")
    assert call[:5] == ["preview", "--stack", "dev", "--refresh", "--expect-no-changes"]
    assert runner.stubs.calls("gh")[-1][:2] == ["issue", "create"]
    written = runner.stubs.written()
    assert "    ~ redis ```" in written
    assert "Run `pulumi preview --stack dev --refresh --diff`." in written

    runner.stubs.add("gh", answering(KNOWN, BY_TITLE))
    assert runner.run(DRIFT).returncode == 1
    assert runner.stubs.calls("gh")[-1][:3] == ["issue", "edit", "3"]


def test_no_drift_closes_the_issue(runner: Runner) -> None:
    done = runner.run(DRIFT)
    assert (done.returncode, "drift: dev: none" in done.stdout) == (0, True)
    assert [call[:2] for call in runner.stubs.calls("gh")] == [["issue", "list"]]
    runner.stubs.add("gh", answering(KNOWN, BY_TITLE))
    assert runner.run(DRIFT).returncode == 0
    assert runner.stubs.calls("gh")[-1][:3] == ["issue", "close", "3"]
