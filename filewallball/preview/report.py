"""What a preview says, worst first and with every secret masked: the one source of all its forms."""

from __future__ import annotations

import copy
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any, cast

from filewallball.engine.program.resources import Path, Resource, without_nulls
from filewallball.engine.showing.diff import Change, compared, secret_paths
from filewallball.preview import policies
from filewallball.preview.comparing import Difference, Op, by_path, compare
from filewallball.preview.costs import ORDER, WORST, Cost, Sort, costs, worst
from filewallball.preview.noise import Noise
from filewallball.preview.rendered import Rendered
from filewallball.redact import MASK, Redactor

OPS: tuple[Op, ...] = ("delete", "replace", "update", "create", "same")
"""In the order in which they are shown."""
VERBS: dict[Op, str] = {
    "delete": "to delete",
    "replace": "to replace",
    "update": "to change",
    "create": "to create",
    "same": "unchanged",
}


@dataclass
class Entry:
    """One resource that changes. `quiet`: its changes that tell nothing; `folded`: it has no others."""

    difference: Difference
    title: str
    costs: list[Cost]
    loud: list[Change]
    quiet: list[Change]
    folded: bool

    @property
    def op(self) -> Op:
        return self.difference.op

    @property
    def name(self) -> str:
        """The name that the program gives the resource."""
        return self.difference.resource.name


@dataclass
class Report:
    """A whole preview. `old`, `new`: what the two trees are called; `notes`: what is to be known of them."""

    stack: str
    project: str
    old: str
    new: str
    differences: list[Difference]
    entries: list[Entry]
    unchanged: int
    outputs: list[Change] = field(default_factory=list[Change])
    quiet_outputs: list[Change] = field(default_factory=list[Change])
    notes: list[str] = field(default_factory=list[str])
    policies: tuple[list[str], int] | None = None
    """One line for each violation, and how many of them are new; None where there is no policy pack."""

    @property
    def worst(self) -> Sort:
        """The worst that any of the changes costs."""
        return worst([cost for entry in self.entries for cost in entry.costs])

    @property
    def title(self) -> str:
        """The whole in one line: what it is about, and the worst of it."""
        about = f"{self.stack} against {self.old}"
        if self.is_empty:
            return f"{about}: no changes"
        if self.policies and self.policies[1]:
            about += f" ({self.policies[1]} new against policies)"
        if all(entry.folded for entry in self.entries) and not self.outputs:
            return f"{about}: nothing but checksums, image tags and version labels"
        return f"{about}: {WORST[self.worst]}"

    @property
    def is_empty(self) -> bool:
        """Whether nothing changes at all."""
        violations = self.policies[1] if self.policies else 0
        return not (self.entries or self.outputs or self.quiet_outputs or violations)

    @property
    def counts(self) -> str:
        """`1 to delete, 2 to change, 70 unchanged`."""
        counted = Counter(entry.op for entry in self.entries)
        counted["same"] = self.unchanged
        return ", ".join(f"{counted[op]} {VERBS[op]}" for op in OPS if counted[op]) or "no resources"

    def shown(self) -> list[Entry]:
        """What is worth reading: deletions and replacements first, and of each sort the worst first."""
        return [entry for entry in self.entries if not entry.folded]

    def folded(self) -> list[Entry]:
        """What changes with every change."""
        return [entry for entry in self.entries if entry.folded]


def report(
    stack: str, old: Rendered, new: Rendered, called: tuple[str, str], own: Iterable[str], redactor: Redactor
) -> Report:
    """Compare two trees. `called`: what users call them, the old one first; `own`: names of own images."""
    project = new.project or old.project
    noise = Noise(project, own)
    differences = compare(old, new)
    # a component is a name for those below it, and costs nothing by itself
    things = [each for each in differences if each.resource.custom]
    entries = [_entry(each, noise, redactor) for each in things if each.op != "same"]
    entries.sort(key=_rank)
    outputs = sorted(compared(old.outputs, new.outputs, []), key=by_path)
    quiet = [_masked(each, redactor) for each in outputs if noise.is_in(each)]
    loud = [_masked(each, redactor) for each in outputs if not noise.is_in(each)]
    unchanged = sum(each.op == "same" for each in things)
    found = policies.compared(old.violations, new.violations)
    told = found and ([redactor.text(line) for line in found[0]], found[1])
    return Report(stack, project, *called, differences, entries, unchanged, loud, quiet, policies=told)


def _rank(entry: Entry) -> tuple[int, int, str, str]:
    return OPS.index(entry.op), ORDER.index(worst(entry.costs)), entry.title, entry.name


def _entry(difference: Difference, noise: Noise, redactor: Redactor) -> Entry:
    found = costs(difference)
    quiet = [each for each in difference.changes if noise.is_in(each)]
    loud = [each for each in difference.changes if each not in quiet]
    return Entry(
        difference,
        redactor.text(difference.title),
        [Cost(cost.sort, redactor.text(cost.text)) for cost in found],
        [_masked(each, redactor) for each in loud],
        [_masked(each, redactor) for each in quiet],
        folded=noise.is_all_of(difference) and worst(found) == "nothing" and not _restarts(found),
    )


def _restarts(found: list[Cost]) -> bool:
    """Whether pods that serve somebody restart: worth a line even where nobody notices it."""
    return any("restart" in cost.text for cost in found)


def _masked(change: Change, redactor: Redactor) -> Change:
    path: Path = tuple(redactor.text(step) if isinstance(step, str) else step for step in change.path)
    return Change(path, redactor.data(change.before), redactor.data(change.after))


def masked_properties(resource: Resource, redactor: Redactor) -> dict[str, Any]:
    """The resource's properties as they may be shown."""
    if resource.is_kubernetes:
        body = resource.manifest()
        hidden = [*secret_paths(body), *resource.secret_paths]
    else:
        body, hidden = copy.deepcopy(resource.props), resource.secret_paths
    for path in hidden:
        _mask_at(body, path)
    return cast("dict[str, Any]", redactor.data(without_nulls(body)))


def _mask_at(value: Any, path: Path) -> None:
    for step in path[:-1]:
        value = child(value, step)
    found = child(value, path[-1]) if path else None
    if found is not None:
        keys = list(cast("dict[str, Any]", found)) if isinstance(found, dict) else []
        value[path[-1]] = dict.fromkeys(keys, MASK) if keys else MASK


def child(value: Any, step: str | int) -> Any:
    """What stands at a step of a path, None where nothing does."""
    if isinstance(value, dict):
        return cast("dict[str | int, Any]", value).get(step)
    if isinstance(value, list) and isinstance(step, int) and step < len(cast("list[Any]", value)):
        return cast("list[Any]", value)[step]
    return None
