"""What a check found, and the forms in which it is told: a line, JSON, JUnit XML."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from typing import Any, Literal, cast
from xml.etree import ElementTree as ET

Status = Literal["ok", "warning", "failed", "skipped"]


class CheckFailed(Exception):
    """A check found the thing broken: what was seen, what was expected, what to do about it."""

    status: Status = "failed"

    def __init__(self, observed: str, expected: str, hint: str) -> None:
        super().__init__(observed)
        self.observed = observed
        self.expected = expected
        self.hint = hint


class CheckSkipped(CheckFailed):
    """A check can't be made here, for a reason that is no fault."""

    status: Status = "skipped"


class CheckWarned(CheckFailed):
    """All is well yet, but won't stay so: told like a failure, and counted as none."""

    status: Status = "warning"


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of one check. `seconds` is the wall time that it took."""

    name: str
    status: Status
    observed: str = ""
    expected: str = ""
    hint: str = ""
    seconds: float = 0.0

    def line(self) -> str:
        """One line for a person: `name: OK`, `name: FAILED (seen; expected; what to do)`, or WARNING."""
        if self.status == "ok":
            return f"{self.name}: OK"
        parts = "; ".join(_flat(part) for part in (self.observed, self.expected, self.hint) if part)
        return f"{self.name}: {self.status.upper()} ({parts})"

    def as_dict(self) -> dict[str, Any]:
        return asdict(self)

    def as_json(self) -> str:
        return json.dumps(self.as_dict(), ensure_ascii=False)

    @classmethod
    def from_json(cls, line: str) -> Result | None:
        """The result that a line of the pod's log holds; None where the line is something else."""
        try:
            raw: object = json.loads(line)
        except ValueError:
            return None
        if not isinstance(raw, dict):
            return None
        fields = cast("dict[str, Any]", raw)
        if fields.keys() != set(cls.__dataclass_fields__) or fields["status"] not in _STATUSES:
            return None
        return cls(**fields)


_STATUSES = ("ok", "warning", "failed", "skipped")


def all_good(results: Sequence[Result]) -> bool:
    return not any(result.status == "failed" for result in results)


def to_json(results: Sequence[Result], masked: Callable[[Any], Any] = list) -> str:
    """All results as one JSON list, indented. `masked` takes secrets out of the data."""
    return json.dumps(masked([result.as_dict() for result in results]), ensure_ascii=False, indent=2)


def to_junit(results: Sequence[Result], suite: str) -> str:
    """All results as JUnit XML, one test case per check; its class name is the check's subject."""
    attributes = {
        "name": suite,
        "tests": str(len(results)),
        "failures": str(sum(result.status == "failed" for result in results)),
        "errors": "0",
        "skipped": str(sum(result.status == "skipped" for result in results)),
        "time": f"{sum(result.seconds for result in results):.3f}",
    }
    root = ET.Element("testsuites", {key: value for key, value in attributes.items() if key != "skipped"})
    parent = ET.SubElement(root, "testsuite", attributes)
    for result in results:
        case = ET.SubElement(
            parent,
            "testcase",
            name=result.name,
            classname=f"filewallball.checks.{result.name.partition('-')[0]}",
            time=f"{result.seconds:.3f}",
        )
        if result.status == "failed":
            failure = ET.SubElement(case, "failure", message=_xml(result.observed))
            failure.text = _xml(f"expected: {result.expected}\nhint: {result.hint}")
        elif result.status == "skipped":
            ET.SubElement(case, "skipped", message=_xml(result.observed))
        elif result.observed:
            ET.SubElement(case, "system-out").text = _xml(result.observed)
    ET.indent(root)
    return ET.tostring(root, encoding="unicode", xml_declaration=True) + "\n"


def _flat(text: str) -> str:
    return " ".join(text.split())


def _xml(text: str) -> str:
    # Control characters (a log tail may hold colours) have no place in XML 1.0, not even escaped
    return re.sub(r"[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]", "?", text)
