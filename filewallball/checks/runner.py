"""Chooses checks and runs them one after another, each under a time limit, none able to stop the next."""

from __future__ import annotations

import difflib
import signal
import time
from collections.abc import Callable, Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from types import FrameType

from facts.checks import NAME, Section
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed, Result
from filewallball.errors import ConfigError, UserError
from filewallball.kube import KubeError, Unreachable

RUNBOOK = "docs/runbook.md"
"""Has a heading for each check, of the check's name."""
CLEANUP_SECONDS = 15
"""How long a check that ran out of time may still take to remove what it wrote."""

Explain = Callable[[ChecksConfig, Exception], CheckFailed | None]


class OutOfTime(BaseException):
    """Raised inside a check when its time is up. No Exception: client libraries would swallow or retry it."""


@dataclass(frozen=True, slots=True)
class Check:
    """One check. `run` returns what it saw when all is well and raises CheckFailed when not.

    `harms` says what it does to users of the stack: such a check refuses a stack not marked as disposable.
    `explain` turns an exception of the subject's client library into a failure with a hint.
    """

    name: str
    run: Callable[[ChecksConfig], str]
    quick: bool = False
    deep: bool = False
    harms: str = ""
    timeout: float = 60
    explain: Explain | None = None


@dataclass(frozen=True, slots=True)
class Suite:
    """The checks of one section of checks.json, which they need: a stack without it leaves them out.

    Suites run in the order of `place`: what users feel first comes first.
    """

    section: type[Section]
    checks: tuple[Check, ...]
    place: int = 100


def select(checks: Sequence[Check], names: Sequence[str], *, quick: bool, deep: bool) -> list[Check]:
    """The checks to run: those named, or the quick ones, or all; the deep ones only if asked for.

    Raises ConfigError (exit 2) for an unknown name, with the nearest right one, and for options that clash.
    """
    if quick and (deep or names):
        other = "--deep" if deep else "names of checks"
        raise ConfigError(f"--quick and {other} exclude each other", "Give one of the two.")
    known = {check.name: check for check in checks}
    unknown = [name for name in names if name not in known]
    if unknown:
        raise ConfigError(
            "; ".join(_unknown(name, list(known)) for name in unknown),
            f"Choose from: {', '.join(known)}.",
        )
    if names:
        return [check for check in checks if check.name in names or (deep and check.deep)]
    if quick:
        return [check for check in checks if check.quick]
    return [check for check in checks if deep or not check.deep]


def of_stack(checks: Sequence[Check], suites: Sequence[Suite], config: ChecksConfig) -> list[Check]:
    """Those of the checks whose part the stack has."""
    left_out = {check.name for suite in suites if suite.section not in config for check in suite.checks}
    return [check for check in checks if check.name not in left_out]


def _unknown(name: str, known: Sequence[str]) -> str:
    near = difflib.get_close_matches(name, known, n=1)
    return f"no check is called {name!r}" + (f"; did you mean {near[0]}?" if near else "")


def run(checks: Sequence[Check], config: ChecksConfig, *, named: Sequence[str] = ()) -> Iterator[Result]:
    """Run the checks in order and yield each result as it is known."""
    for check in checks:
        if check.harms and not config.disposable:
            yield _refused(check, named=check.name in named)
        else:
            yield run_one(check, config)


def _refused(check: Check, *, named: bool) -> Result:
    return Result(
        check.name,
        "failed" if named else "skipped",
        observed=f"refused: it {check.harms}, and this stack is not marked as disposable",
        expected="`filewallball:disposable: true` in the stack's file",
        hint=_with_page(
            check,
            "If nobody needs the stack's data, set filewallball:disposable to true, run `fwb up`, and check "
            "again.",
        ),
    )


def run_one(check: Check, config: ChecksConfig) -> Result:
    """Run one check. Whatever it raises becomes a failed result; only an interrupt passes through."""
    begin = time.monotonic()

    def result(failed: CheckFailed) -> Result:
        spent = round(time.monotonic() - begin, 3)
        hint = failed.hint if failed.status == "skipped" else _with_page(check, failed.hint)
        return Result(check.name, failed.status, failed.observed, failed.expected, hint, spent)

    try:
        with _time_limit(check.timeout):
            observed = check.run(config)
    except CheckFailed as failed:
        return result(failed)
    except OutOfTime:
        return result(
            CheckFailed(
                f"no end after {check.timeout:.0f} s",
                "the check ends in time",
                "The server takes connections, but it hangs or is very slow. Look at "
                f"`kubectl -n {config.namespace} get pods`, and at the log of the server's pod.",
            )
        )
    except Exception as error:  # noqa: BLE001 (a check must never end the run)
        known = check.explain(config, error) if check.explain else None
        return result(known or _explain_any(check, config, error))
    return Result(check.name, "ok", observed, seconds=round(time.monotonic() - begin, 3))


def _with_page(check: Check, hint: str) -> str:
    """The hint, and where all is said that a line can't hold."""
    return f"{hint} See {RUNBOOK}#{check.name}."


def _explain_any(check: Check, config: ChecksConfig, error: Exception) -> CheckFailed:
    if isinstance(error, KubeError) and error.status == 403:
        return CheckFailed(
            error.message,
            "the checks' ServiceAccount may look at what it checks",
            "Run `fwb up`, which gives it its rights again. "
            f"`kubectl -n {config.namespace} describe role {NAME}` shows them.",
        )
    if isinstance(error, Unreachable):
        return CheckFailed(
            error.message,
            "the checks reach the API server",
            "Run `kubectl -n default get endpointslices -l kubernetes.io/service-name=kubernetes`, which "
            "shows the port of the API server. If filewallball:cluster.apiServerPorts doesn't have it, add "
            "it there, and run `fwb up`.",
        )
    if isinstance(error, UserError):
        return CheckFailed(error.message, "the check can run", error.hint or "Run `fwb up` again.")
    return CheckFailed(
        f"{type(error).__name__}: {error}",
        "no error",
        f"This is a fault of the check itself. Run `fwb check STACK {check.name}` again. If it fails again, "
        "report it with this line.",
    )


@contextmanager
def _time_limit(seconds: float) -> Generator[None]:
    """Raise OutOfTime in the main thread after `seconds`, and again should the clean-up hang as well."""

    def expire(_number: int, _frame: FrameType | None) -> None:
        raise OutOfTime

    previous = signal.signal(signal.SIGALRM, expire)
    signal.setitimer(signal.ITIMER_REAL, seconds, CLEANUP_SECONDS)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, previous)
