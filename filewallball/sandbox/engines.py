"""The programs of the real Pulumi engine, built from Go modules as the sandbox's own are."""

from __future__ import annotations

from pathlib import Path

from filewallball import paths
from filewallball.sandbox.progress import Progress
from filewallball.sandbox.toolchain.build import Binaries, binaries, built
from filewallball.sandbox.toolchain.sources import PULUMI_CLI, PULUMI_KUBERNETES

SOURCES = (PULUMI_CLI, PULUMI_KUBERNETES)


def build() -> Path:
    """Build what the cache doesn't have; the folder that has all of it. Raises UserError where that fails."""
    progress = Progress()
    return _together([binaries(progress, sources) for sources in SOURCES])


def find() -> Path | None:
    """The folder, if the cache has all of it; nothing is built."""
    progress = Progress()
    found = [programs for sources in SOURCES if (programs := built(progress, sources))]
    return _together(found) if len(found) == len(SOURCES) else None


def _together(parts: list[Binaries]) -> Path:
    """One folder with links to all programs, for PATH."""
    name = "-".join(part.directory.name.rpartition("-")[2] for part in parts)
    folder = paths.cache_dir() / "bin" / f"engine-{name}"
    folder.mkdir(exist_ok=True)
    for part in parts:
        for program in part.directory.iterdir():
            link = folder / program.name
            if not link.is_symlink():
                link.symlink_to(program)
    return folder
