"""Runs the user's program under the in-process monitor, and makes its faults readable."""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
import os
import runpy
import sys
import threading
import traceback
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, cast

from facts.machine import DEPLOYING_VARIABLE
from filewallball.engine.program.monitor import Engine, Handler, Monitor
from filewallball.errors import ConfigError, UserError
from filewallball.explain import explained
from filewallball.project import Project, StackConfig
from filewallball.redact import Redactor

THREADS = 128
"""Enough that resources which wait for readiness never keep others from starting, since they may be waiting
for these.
"""


class ProgramError(UserError):
    """The user's own program failed; the message holds the frames of its own files."""


def run(
    project: Project, stack: str, config: StackConfig, handler: Handler, redactor: Redactor, *, dry_run: bool
) -> Monitor:
    """Run `__main__.py` once; returns the monitor with the stack's outputs.

    Raises what the handler raised, ConfigError for the program's own SettingsError, ProgramError for a bug.
    """
    monitor = Monitor(handler, redactor, project.name, stack)
    with in_project(project):
        try:
            # everything that the SDK keeps lies in context variables: a fresh context is a fresh SDK
            contextvars.copy_context().run(_run, project, stack, config, monitor, handler, dry_run)
        except UserError:
            raise
        except SystemExit as leave:
            if leave.code not in (None, 0):
                raise ProgramError(
                    f"The program ended with exit code {leave.code}", "Correct what it says above."
                ) from None
        except Exception as error:  # noqa: BLE001 - whatever the user's program may raise
            raise redacted_error(error, project.root, redactor) from None
    return monitor


@contextlib.contextmanager
def told_of_deploying(deploying: bool) -> Generator[None]:
    """Let the program refuse at once, before anything is asked, what it would refuse when it is deployed."""
    if deploying:
        os.environ[DEPLOYING_VARIABLE] = "1"
    try:
        yield
    finally:
        os.environ.pop(DEPLOYING_VARIABLE, None)


def _run(
    project: Project, stack: str, config: StackConfig, monitor: Monitor, handler: Handler, dry_run: bool
) -> None:
    import pulumi.runtime
    from pulumi.runtime.mocks import MockSettings
    from pulumi.runtime.settings import configure, set_root_resource
    from pulumi.runtime.stack import run_in_stack

    loop = asyncio.new_event_loop()
    asyncio.set_event_loop(loop)
    executor = ThreadPoolExecutor(THREADS, thread_name_prefix="resource")
    loop.set_default_executor(executor)
    try:
        settings: dict[str, Any] = {
            "monitor": monitor,
            "monitor_features": set[int](),
            "engine": Engine(handler),
            "project": project.name,
            "stack": stack,
            "dry_run": dry_run,
            "organization": "organization",
            "root_directory": str(project.root),
            "callbacks": None,
            "legacy_apply_enabled": False,
            "outputs": set[Any](),
            "lock": threading.Lock(),
            "package_refs": dict[str, str](),
            "base_providers_by_ref": dict[str, str](),
        }
        configure(MockSettings(**settings))
        set_root_resource(cast("Any", None))  # whatever ran in this process before had a stack of its own
        pulumi.runtime.set_all_config(config.values, config.secret_keys)
        loop.run_until_complete(run_in_stack(lambda: _execute(project.main)))
    finally:
        executor.shutdown(wait=True, cancel_futures=True)
        loop.run_until_complete(loop.shutdown_asyncgens())
        asyncio.set_event_loop(None)
        loop.close()


def _execute(main: Path) -> None:
    runpy.run_path(str(main), run_name="__main__")


@contextlib.contextmanager
def in_project(project: Project) -> Generator[None]:
    """Work in the program's folder, as the Pulumi CLI does, and forget its modules afterwards.

    Where the program has `facts` of its own, it sees those and not this process's: the two may differ.
    """
    before = Path.cwd()
    folder = str(project.main.parent)
    own_facts = (project.main.parent / "facts").is_dir()
    aside = {name: sys.modules.pop(name) for name in list(sys.modules) if own_facts and _is_fact(name)}
    loaded = set(sys.modules)
    sys.path.insert(0, folder)
    os.chdir(folder)
    try:
        yield
    finally:
        os.chdir(before)
        sys.path.remove(folder)
        for name in set(sys.modules) - loaded:
            origin = getattr(sys.modules[name], "__file__", None) or ""
            users = is_users(origin, project.root) and name.partition(".")[0] != "filewallball"
            if users or (own_facts and _is_fact(name)):
                del sys.modules[name]
        sys.modules.update(aside)


def _is_fact(module: str) -> bool:
    return module.partition(".")[0] == "facts"


def is_users(filename: str, root: Path) -> bool:
    """Whether a source file is the user's own: in the project, and not in an environment inside it."""
    path = Path(filename)
    return path.is_relative_to(root) and not {"site-packages", ".venv", "venv"} & set(path.parts)


def redacted_error(error: BaseException, root: Path, redactor: Redactor) -> UserError:
    """Turn a program's exception into a message: its settings' own text, or the user's frames."""
    cause: BaseException | None = error
    while cause is not None:
        if known := explained(cause):
            return type(known)(redactor.text(known.message), known.hint) if known is not cause else known
        # the program cannot import our errors; its SettingsError says the same by its name and exit code
        if type(cause).__name__ == "SettingsError" or getattr(cause, "exit_code", None) == 2:
            return ConfigError(redactor.text(str(cause)))
        cause = cause.__cause__
    frames = [frame for frame in _frames(error) if is_users(frame.filename, root)]
    where = "".join(traceback.format_list(frames)) if frames else ""
    what = "".join(traceback.format_exception_only(error)).strip()
    return ProgramError(
        redactor.text(f"The program failed\n{where}{what}"), "Correct it, and run the command again."
    )


def _frames(error: BaseException) -> list[traceback.FrameSummary]:
    frames = list(traceback.extract_tb(error.__traceback__))
    if error.__cause__ is not None:
        frames = _frames(error.__cause__) + frames
    return frames
