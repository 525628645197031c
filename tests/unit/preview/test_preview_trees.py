"""What is asked of git, and what is said where it has no answer."""

from __future__ import annotations

from pathlib import Path

import pytest

from filewallball.errors import ConfigError
from filewallball.preview.trees import repository
from tests.unit.preview.made_trees import Repo, git


@pytest.fixture
def repo(tmp_path: Path) -> Repo:
    found = Repo(tmp_path / "repo")
    found.commit("")
    return found


@pytest.mark.parametrize("ref", ["mian", "", "--output=x", "HEAD:__main__.py", "a..b", "\0", "main^{tree}"])
def test_what_names_no_commit(repo: Repo, ref: str) -> None:
    with pytest.raises(ConfigError, match="There is no commit") as caught:
        repository(repo.folder).commit(ref)
    assert "main" in caught.value.hint


def test_the_nearest_names_come_first(repo: Repo) -> None:
    git(repo.top, "branch", "feature/login")
    with pytest.raises(ConfigError) as caught:
        repository(repo.folder).commit("feature/logn")
    assert caught.value.hint.startswith("Did you mean feature/login? Known names: feature/login, main")


@pytest.mark.parametrize(
    ("ref", "told"),
    [
        ("origin/side", "`git fetch --depth=1 origin side:refs/remotes/origin/side`"),
        ("HEAD~1", "`git fetch --depth=1 origin HEAD~1` and give --against FETCH_HEAD, or `git fetch --un"),
    ],
)
def test_a_shallow_clone_is_told_how_to_fetch(repo: Repo, tmp_path: Path, ref: str, told: str) -> None:
    git(repo.top, "branch", "side")
    repo.commit("thing('a')")
    clone = tmp_path / "clone"
    git(tmp_path, "clone", "--quiet", "--depth=1", f"file://{repo.top}", str(clone))
    with pytest.raises(ConfigError) as caught:
        repository(clone).commit(ref)
    assert "This clone is shallow" in caught.value.hint
    assert told in caught.value.hint


def test_a_folder_without_git(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="is in no work tree of git"):
        repository(tmp_path)


def test_no_git_at_all(repo: Repo, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PATH", "/nowhere")
    with pytest.raises(ConfigError, match="git is not on PATH"):
        repository(repo.folder)


def test_a_revision_is_written_as_it_was_and_nothing_else_is_touched(repo: Repo, tmp_path: Path) -> None:
    repo.write(".gitattributes", "kept.txt export-ignore\n")
    repo.write("kept.txt", "one")
    repo.commit()
    repo.write("kept.txt", "two")
    repo.write("new.txt", "new")
    before = sorted((repo.top / ".git").iterdir())
    found = repository(repo.folder)
    assert found.dirty
    out = tmp_path / "out"
    out.mkdir()
    folder = found.write(found.commit("main"), out)
    assert (folder / "kept.txt").read_text() == "one"
    assert not (folder / "new.txt").exists()
    assert (repo.folder / "kept.txt").read_text() == "two"
    assert sorted((repo.top / ".git").iterdir()) == before
    assert git(repo.top, "status", "--porcelain").split() == ["M", "kept.txt", "??", "new.txt"]
