"""The project's own pack, in its folder `policy`: data goes in, and what was found comes out.

It runs in this process. The way of the Pulumi CLI, a process of its own that is asked over gRPC, takes
seconds longer: it decodes every resource anew for every rule. tests/unit/policy holds the two to the same
findings.
"""

from __future__ import annotations

import importlib
from collections.abc import Generator, Iterable, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol, cast

from filewallball.engine.program import runner
from filewallball.errors import ConfigError
from filewallball.project import Project

FOLDER = "policy"


class Pack(Protocol):
    """The module `policy.judging` of a project."""

    def faults(self, document: Any) -> list[str]: ...

    def judge(
        self, resources: Iterable[Mapping[str, Any]], configured: Any = None, *, protected: bool = False
    ) -> dict[str, Any]: ...


@contextmanager
def opened(project: Project) -> Generator[Pack]:
    """The project's pack, for as long as the context lasts. Raises ConfigError if there is none."""
    module = project.main.parent / FOLDER / "judging.py"
    if not module.is_file():
        raise ConfigError(
            f"The project has no policy pack: {_shown(module)} is missing",
            "Copy the folder `policy` of this repository beside the project's __main__.py.",
        )
    with runner.in_project(project):
        yield cast("Pack", importlib.import_module("policy.judging"))


def _shown(path: Path) -> str:
    return str(path.relative_to(Path.cwd())) if path.is_relative_to(Path.cwd()) else str(path)
