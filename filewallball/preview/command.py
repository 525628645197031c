"""`fwb preview STACK --against REF`: renders both trees, compares them, and writes what was asked for."""

from __future__ import annotations

import json
import tempfile
from pathlib import Path

from filewallball.engine.showing.report import Reporter
from filewallball.errors import ConfigError, nearest
from filewallball.files import write_text
from filewallball.preview import rendering, trees
from filewallball.preview.digest import digest
from filewallball.preview.markdown import markdown
from filewallball.preview.page import page
from filewallball.preview.report import Report, report
from filewallball.preview.text import text
from filewallball.project import load_project
from filewallball.redact import Redactor

WORK_TREE = "the work tree"


def against(
    folder: Path,
    stack: str,
    ref: str,
    *,
    comment: Path | None = None,
    html: Path | None = None,
    as_json: bool = False,
) -> None:
    """Print what the work tree changes in a stack since a revision; write it to files as well where asked.

    Raises ConfigError for a wrong name of any sort, UserError for a program that fails.
    """
    repository = trees.repository(folder)
    commit = repository.commit(ref)
    reporter = Reporter(quiet=as_json)
    redactor = reporter.redactor
    try:
        reporter.working(f"rendering {stack} of {ref} and of the work tree")
        with tempfile.TemporaryDirectory(prefix="fwb-preview-") as temporary:
            written = repository.write(commit, Path(temporary).resolve())
            old = rendering.Tree(written, ref, ref)
            new = rendering.Tree(repository.project, WORK_TREE, ".")
            found = _compared(repository, old, new, stack, redactor)
    finally:
        reporter.working("")
    if comment:
        where = (
            f"in `{html.name}`" if html else f"what `fwb preview {stack} --against {ref} --html FILE` writes"
        )
        write_text(comment, markdown(found, where))
    if html:
        write_text(html, page(found, redactor))
    if as_json:
        print(json.dumps(digest(found, redactor), indent=4, ensure_ascii=False, sort_keys=True))
    else:
        print(text(found), end="")


def _compared(
    repository: trees.Repository, old: rendering.Tree, new: rendering.Tree, stack: str, redactor: Redactor
) -> Report:
    there = [tree for tree in (old, new) if tree.has(stack)]
    if not there:
        raise _unknown(stack, old, new)
    before, after = rendering.both(old, new, stack, redactor)
    found = report(stack, before, after, (old.called, WORK_TREE), _own_images(new.folder), redactor)
    if repository.dirty:
        found.new = f"{WORK_TREE} (not all of it is committed)"
    if not before.there:
        found.notes.append(f"{old.called} doesn't have the stack {stack}: everything is new.")
    if not after.there:
        found.notes.append(f"{WORK_TREE} doesn't have the stack {stack} any more: everything goes.")
    if before.sealed or after.sealed:
        found.notes.append(
            "No passphrase is set here: of a secret value in the configuration only a change as such is told."
        )
    if not found.is_empty:
        found.notes += [redactor.text(each.strip()) for each in after.warnings if each.strip()]
    return found


def _unknown(stack: str, old: rendering.Tree, new: rendering.Tree) -> ConfigError:
    names: list[str] = []
    for tree in (new, old):
        if (tree.folder / trees.PROJECT).is_file():
            names += load_project(tree.folder).stacks()
    if not names:
        return ConfigError(
            f"Neither the work tree nor {old.called} has a Pulumi.yaml here",
            "Run from the project's folder, or name it with --cwd.",
        )
    hint = nearest(stack, sorted(set(names)), "Stacks")
    return ConfigError(f"There is no stack {stack!r}, neither in the work tree nor in {old.called}", hint)


def _own_images(project: Path) -> list[str]:
    """The images that are built from the repository, by the names of their folders."""
    return sorted(path.parent.name for path in project.glob("images/*/image.yaml"))
