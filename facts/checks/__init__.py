"""The checks' pod, and `checks.json`: what the program tells the checks of their stack.

The file has a section for each part of the stack that has checks. A section is a dataclass in a module of
this package, named by its SECTION: whoever adds one adds its module, and nothing else.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import pkgutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Final

from facts.pods import config_file

NAME: Final = "filewallball-checks"
"""The name of the ConfigMap, the PodTemplate and the ServiceAccount. The Jobs' names begin with it."""
FILE: Final = "checks.json"
PATH: Final = config_file(FILE)
PATH_VARIABLE: Final = "FWB_CHECKS_CONFIG"
USER: Final = "checks"
"""The user that the checks log in with on Redis, Valkey and Sentinels."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Section:
    """One part of checks.json. Fields are strings, numbers, truth values, tuples of these, or dataclasses."""

    SECTION: ClassVar[str] = ""
    """Its key in the file."""
    PLACE: ClassVar[int] = 100
    """Sections stand in the file in the order of this number."""
    UNWRITTEN: ClassVar[frozenset[str]] = frozenset()
    """Fields that the program leaves at their defaults; only tests write them."""

    WRITTEN_IF_SET: ClassVar[frozenset[str]] = frozenset({"ca_file"})
    """Fields that the file lacks where the stack has no use for them."""

    def addresses(self) -> Sequence[tuple[str, int]]:
        """Hosts and ports that a new pod must be let in to before its checks begin."""
        return ()


def kinds() -> dict[str, type[Section]]:
    """Every kind of section that there is, by its key, in the order of the file."""
    modules = [
        importlib.import_module(f"{__name__}.{found.name}") for found in pkgutil.iter_modules(__path__)
    ]
    found = {
        each.SECTION: each
        for module in modules
        for each in vars(module).values()
        if isinstance(each, type) and issubclass(each, Section) and each.SECTION
    }
    return dict(sorted(found.items(), key=lambda item: (item[1].PLACE, item[0])))


def document(namespace: str, sections: Sequence[Section], *, disposable: bool) -> str:
    """The text of checks.json. No secret stands in it, only the paths of files that hold one."""
    ordered = sorted(sections, key=lambda each: (each.PLACE, each.SECTION))
    written: dict[str, Any] = {"namespace": namespace, "disposable": disposable}
    written |= {each.SECTION: _written(each) for each in ordered}
    return json.dumps(written, indent=2)


def _written(section: Section) -> Mapping[str, Any]:
    return {
        name: value
        for name, value in dataclasses.asdict(section).items()
        if name not in section.UNWRITTEN and (value is not None or name not in section.WRITTEN_IF_SET)
    }
