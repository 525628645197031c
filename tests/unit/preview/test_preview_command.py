"""The whole command on small repositories: both trees rendered by their own programs, without a cluster."""

from __future__ import annotations

import json
import re
from html import unescape
from pathlib import Path
from typing import Any

import pytest

from filewallball.cli.stack import preview
from filewallball.errors import ConfigError, UserError
from filewallball.preview import rendering
from filewallball.preview.command import against
from filewallball.preview.rendered import Rendered
from tests.unit.preview.made_trees import HEAD, Repo, git, resource

PROGRAM = """
import secrets
from parts import SIZE
word = pulumi.Config().require("word")
thing("generated", {"data": {"password": secrets.token_urlsafe(24)}}, kind="Secret")
thing("noted", {"data": {"url": f"redis://app:{word}@host"}}, kind="Thing")
thing("plain", {"data": {"size": SIZE}}, kind="Thing")
"""


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    found = Repo(tmp_path / "repo")
    found.write("parts.py", "SIZE = 'one'\n")
    found.write("Pulumi.dev.yaml", "config: {shop:word: opensesame}\n")
    # must not be taken for the engine
    found.write("filewallball/__init__.py", "raise RuntimeError('the old engine')\n")
    found.commit(PROGRAM)
    return found


def test_an_unchanged_branch_says_so_in_one_line(repo: Repo, capsys: pytest.CaptureFixture[str]) -> None:
    comment = repo.top.parent / "out" / "comment.md"
    against(repo.folder, "dev", "main", comment=comment)
    assert capsys.readouterr().out == "dev against main: no changes (3 unchanged)\n"
    assert comment.read_text() == "<!-- fwb preview dev -->\ndev against main: no changes (3 unchanged).\n"
    assert git(repo.top, "status", "--porcelain") == ""
    assert git(repo.top, "worktree", "list").count("\n") == 0


def test_each_tree_is_rendered_by_its_own_code_and_shows_no_secret(
    repo: Repo, capsys: pytest.CaptureFixture[str]
) -> None:
    repo.write("parts.py", "SIZE = 'two'\n")
    repo.write("Pulumi.dev.yaml", "config: {shop:word: sesameopen}\n")
    files = [repo.top.parent / name for name in ("a.md", "a.html", "b.md", "b.html")]
    against(repo.folder, "dev", "main", comment=files[0], html=files[1])
    told = capsys.readouterr().out
    assert "- data.size: one\n      + data.size: two" in told
    assert "! data.url: redis://app:[secret]@host (the secret in it changes)" in told
    assert "generated" not in told
    against(repo.folder, "dev", "main", comment=files[2], html=files[3], as_json=True)
    data = json.loads(capsys.readouterr().out)
    assert {step["urn"].rpartition("::")[2]: step["op"] for step in data["steps"]} == {
        "shop-dev": "same",
        "noted": "update",
        "plain": "update",
    }
    assert data["changeSummary"] == {"same": 2, "update": 2}
    written = [each.read_text() for each in files]
    assert written[:2] == written[2:]
    for text in (told, json.dumps(data), *written):
        assert "sesame" not in text
        assert str(repo.top.parent) not in text
        assert "fwb-preview" not in text


def test_a_stack_that_is_new_and_one_that_goes(
    repo: Repo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    repo.write("Pulumi.big.yaml", "config: {shop:word: {secure: 'v1:a:b'}}\nencryptionsalt: v1:a:v1:b:c\n")
    page = repo.top.parent / "page.html"
    against(repo.folder, "big", "main", html=page)
    told = capsys.readouterr().out
    assert re.search(
        r">\+ data:</span><span[^>]*>\+   password: '\[secret\]'</span>", unescape(page.read_text())
    )
    assert "main doesn't have the stack big: everything is new." in told
    assert "3 to create" in told
    assert "No passphrase is set here" in told
    repo.commit()
    (repo.folder / "Pulumi.big.yaml").unlink()
    against(repo.folder, "big", "main", as_json=True)
    assert json.loads(capsys.readouterr().out)["changeSummary"] == {"delete": 3, "same": 1}
    with pytest.raises(
        ConfigError, match="There is no stack 'bug', neither in the work tree nor in main"
    ) as caught:
        against(repo.folder, "bug", "main")
    assert "Did you mean big" in caught.value.hint


@pytest.mark.parametrize(
    ("broken", "why"), [("\nthing(\n", "SyntaxError"), ("\n1 / 0\n", "ZeroDivisionError")]
)
def test_a_program_that_fails_is_told_with_tree_file_and_line(repo: Repo, broken: str, why: str) -> None:
    number = HEAD.count("\n") + 2
    repo.commit(broken)
    (repo.folder / "Pulumi.dev.yaml").unlink()  # so that nothing but main is rendered
    with pytest.raises(UserError) as caught:
        against(repo.folder, "dev", "main")
    assert caught.value.message.startswith("main: The program failed")
    assert f'File "main:__main__.py", line {number}' in caught.value.message
    assert why in caught.value.message
    assert "/tmp" not in str(caught.value)


def test_from_a_subfolder_of_a_project_below_the_top(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    repo = Repo(tmp_path / "repo", "infra/shop")
    repo.commit("thing('a')")
    repo.program("thing('b')")
    (repo.folder / "docs").mkdir()
    against(repo.folder / "docs", "dev", "HEAD")
    assert "1 to delete, 1 to create" in capsys.readouterr().out


def test_a_folder_without_a_project(repo: Repo) -> None:
    (repo.folder / "Pulumi.yaml").unlink()
    repo.commit()
    with pytest.raises(ConfigError, match=r"Neither the work tree nor HEAD has a Pulumi\.yaml here"):
        against(repo.folder, "dev", "HEAD")


@pytest.mark.parametrize(
    ("given", "told"),
    [
        ({"markdown": Path("a.md")}, "--markdown writes a comparison"),
        ({"html": Path("a.html")}, "--html writes a comparison"),
        ({"against": "main", "diff": True}, "--diff asks a cluster"),
        ({"against": "main", "profile": True}, "--profile asks a cluster"),
        ({"against": "main", "take_over": True}, "--take-over asks a cluster"),
        ({"against": "main", "engine": "embedded"}, "--engine asks a cluster"),
    ],
)
def test_options_that_do_not_go_together(repo: Repo, given: dict[str, Any], told: str) -> None:
    with pytest.raises(ConfigError, match=told) as caught:
        preview("dev", repo.folder, **given)
    assert caught.value.exit_code == 2
    assert not (repo.folder / "a.md").exists()


@pytest.mark.parametrize("changed", [True, False])
def test_what_the_program_warns_of_is_told_with_what_changes(
    repo: Repo, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch, changed: bool
) -> None:
    things = [resource("v1/ConfigMap", "a")] if changed else []
    warned = Rendered(
        True, project="shop", resources=things, warnings=["", "Still to be set:\n  a_b: write opensesame"]
    )

    def both(*given: Any) -> tuple[Rendered, Rendered]:
        given[-1].add("opensesame")
        return Rendered(True, project="shop"), warned

    monkeypatch.setattr(rendering, "both", both)
    comment = repo.top.parent / "a.md"
    against(repo.folder, "dev", "main", comment=comment)
    assert ("Still to be set:\n  a_b: write [secret]" in capsys.readouterr().out) is changed
    folded = "<details><summary>Still to be set:</summary>\n\n- a\\_b: write \\[secret\\]\n\n</details>"
    assert (folded in comment.read_text()) is changed
