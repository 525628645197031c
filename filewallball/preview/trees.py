"""The two trees that are compared: the work tree as it is, and one revision of it, written into a folder."""

from __future__ import annotations

import os
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from filewallball.errors import ConfigError, UserError, nearest

PROJECT = "Pulumi.yaml"
SHA = 12
"""How many digits of a commit are shown."""


@dataclass(frozen=True)
class Repository:
    """A work tree of git: its top folder, and where the project lies below it."""

    top: Path
    project: Path

    @property
    def prefix(self) -> Path:
        """The project's folder below the top."""
        return self.project.relative_to(self.top)

    @property
    def dirty(self) -> bool:
        """Whether anything of the project isn't committed yet, new files included."""
        return bool(_git(self.top, "status", "--porcelain", "--", str(self.prefix)).strip())

    def commit(self, ref: str) -> str:
        """The commit that a name stands for. Raises ConfigError with the way to it, or the nearest names."""
        if ref and not ref.startswith("-") and "\0" not in ref:
            found = _run(self.top, "rev-parse", "--verify", "--quiet", f"{ref}^{{commit}}")
            if found.returncode == 0 and found.stdout.strip():
                return found.stdout.strip()
        raise ConfigError(f"There is no commit {ref!r} in this clone", self._way_to(ref))

    def _way_to(self, ref: str) -> str:
        names = _git(
            self.top, "for-each-ref", "--format=%(refname:short)", "refs/heads", "refs/remotes", "refs/tags"
        )
        hint = nearest(ref, [name for name in names.split() if not name.endswith("/HEAD")], "Known names")
        if not ref or ref.startswith("-") or "\0" in ref:
            return f"Name a branch, a tag or a commit. {hint}"
        remotes = _git(self.top, "remote").split()
        if not remotes:
            return hint
        remote = next((each for each in remotes if ref.startswith(f"{each}/")), remotes[0])
        branch = ref.removeprefix(f"{remote}/")
        fetch = f"git fetch --depth=1 {remote} {branch}"
        if branch != ref:
            fetch += f":refs/remotes/{ref}"
        again = f"`{fetch}`" if branch != ref else f"`{fetch}` and give --against FETCH_HEAD"
        if _git(self.top, "rev-parse", "--is-shallow-repository").strip() == "true":
            return f"This clone is shallow and may lack it: run {again}, or `git fetch --unshallow`. {hint}"
        return f"If it is on the remote, run {again}. {hint}"

    def write(self, commit: str, folder: Path) -> Path:
        """Write a commit's files below `folder`; returns the project's folder in it, be it there or not.

        Through an index of its own: neither the work tree nor anything in .git is touched.
        """
        tree = folder / "tree"
        tree.mkdir()
        environment = {"GIT_INDEX_FILE": str(folder / "index")}
        scope = [f"--work-tree={tree}"]
        _git(self.top, "read-tree", commit, environment=environment)
        _git(self.top, *scope, "checkout-index", "--all", "--force", environment=environment)
        return tree / self.prefix


def repository(folder: Path) -> Repository:
    """The work tree that holds the project of a folder, or of one of the folders above it.

    Raises ConfigError where there is no git, no work tree, or no project in it.
    """
    if shutil.which("git") is None:
        raise ConfigError(
            "The program git is not on PATH", "Install git: --against compares with a revision of it."
        )
    folder = folder.resolve()
    if not folder.is_dir():
        raise ConfigError(f"There is no folder {folder}", "Name the project's folder with --cwd.")
    found = _run(folder, "rev-parse", "--show-toplevel")
    if found.returncode != 0:
        raise ConfigError(
            f"{folder} is in no work tree of git",
            "Run this in a clone of the repository: --against compares its files with a revision.",
        )
    top = Path(found.stdout.rstrip("\n")).resolve()
    project = next((each for each in (folder, *folder.parents) if (each / PROJECT).is_file()), None)
    if project is None or not project.is_relative_to(top):
        # the project may be there in the other tree alone
        project = folder
    return Repository(top, project)


def _git(folder: Path, *arguments: str, environment: dict[str, str] | None = None) -> str:
    found = _run(folder, *arguments, environment=environment)
    if found.returncode != 0:
        said = found.stderr.strip().splitlines()
        raise UserError(
            f"`git {' '.join(each for each in arguments if not each.startswith('-'))}` failed:"
            f" {said[-1] if said else 'it says nothing'}",
            "Mend what it says, and run this again.",
        )
    return found.stdout


def _run(
    folder: Path, *arguments: str, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    # in a container or under sudo the clone often belongs to somebody else
    call = ["git", "-c", "safe.directory=*", "-C", str(folder), *arguments]
    own = {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0", "GIT_OPTIONAL_LOCKS": "0"}
    # set in a hook of git, these would turn away from the folder that was named
    kept = {key: value for key, value in os.environ.items() if key not in ("GIT_INDEX_FILE", "GIT_WORK_TREE")}
    return subprocess.run(
        call,
        check=False,
        capture_output=True,
        encoding="utf-8",
        errors="surrogateescape",
        env={**kept, **own, **(environment or {})},
    )
