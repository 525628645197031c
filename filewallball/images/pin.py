"""`fwb images pin`: the digest of each image that a stack runs, written into its file."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace
from pathlib import Path

from facts.placeholder import PLACEHOLDER
from filewallball import stack
from filewallball.errors import ConfigError, UserError
from filewallball.files import read_text
from filewallball.images import stackfile
from filewallball.project import load_project
from filewallball.registry import Reference, Registry

_UNSET = f"sha256:{PLACEHOLDER}"


@dataclass(frozen=True)
class Image:
    """An image of a stack, by the dotted path of its setting; empty: it is still to be set, or built here."""

    path: str
    reference: str


def pin(root: Path, name: str, say: Callable[[str], None], *, update: bool = False) -> int:
    """Write the digests; those that are there stay, unless `update`. Returns the exit code.

    All are resolved before any is written. Raises UserError where one can't be, ConfigError where the
    file can't take it.
    """
    project, every = load_project(root), list(images(root, name))
    file = root.absolute() / project.stack_folder / f"Pulumi.{name}.yaml"
    text = before = read_text(file)
    waiting: list[str] = []
    for image in every:
        if not image.reference:
            waiting.append(image.path)
            continue
        found = _pinned(image.reference, update=update)
        say(f"{image.path}: {found}")
        if found != image.reference:
            text = stackfile.with_value(text, f"{project.name}:", image.path, found, file.name)
    if text != before:
        stackfile.write(file, text)
        say(f"{file.name} is written.")
    for path in waiting:
        say(f"{path}: still to be set; write what `fwb images push REGISTRY/PREFIX` prints for it.")
    return 0


def images(root: Path, name: str) -> Iterable[Image]:
    """Every image that the stack runs, as its file or a default names it."""
    for path, reference in stack.images(root, name).items():
        yield Image(path, "" if reference in (None, PLACEHOLDER) else reference)


def _pinned(reference: str, *, update: bool) -> str:
    text, _, digest = reference.partition("@")
    if digest and digest != _UNSET and not update:
        return reference
    image = Reference.parse(text)
    if not image.tag:
        if digest and digest != _UNSET:
            return reference
        raise ConfigError(f"{reference} has no tag", "Write registry/name:tag, whose digest is then found.")
    with Registry(replace(image, digest="")) as registry:
        try:
            return f"{text}@{registry.digest(image.tag)}"
        except UserError as error:
            raise error.retold(f"The digest of {text} can't be found: {error.message}", error.hint) from None
