"""Sentinels: as many as can agree, and what the servers are told agrees with how many there are."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property

from facts.valkey import SENTINEL_PORT, Variables
from policy.plain import Path, at, listed, mapping, text
from policy.pods import Pod, pods_in, selects
from policy.resources import Resource, Stack
from policy.rule import Context, Finding, Rule

_MONITOR = re.compile(r"^\s*sentinel\s+monitor\s+\S+\s+\S+\s+\S+\s+(\d+)\s*$", re.IGNORECASE | re.MULTILINE)
_LEAST = 3


@dataclass(frozen=True)
class _Workload:
    """A workload of a session set: what its containers are told, and how many pods it has."""

    pod: Pod

    @property
    def owner(self) -> Resource:
        return self.pod.resource

    @cached_property
    def replicas(self) -> int | None:
        value = at(self.owner.props, "spec", "replicas")
        return 1 if value is None else value if isinstance(value, int) else None

    @cached_property
    def is_sentinel(self) -> bool:
        return any(
            at(port, "containerPort") == SENTINEL_PORT
            for container in self.pod.containers
            for port in listed(container.body, "ports")
        )

    def told(self, variable: str) -> Iterator[tuple[Path, int]]:
        """What each container is told: the number's path, and the number."""
        for container in self.pod.containers:
            for index, each in enumerate(listed(container.body, "env")):
                value = text(at(each, "value"))
                if at(each, "name") == variable and value.isdecimal():
                    yield (*container.path, "env", index, "value"), int(value)


def majority(sentinels: int) -> int:
    """How many of them it takes to appoint a new primary."""
    return sentinels // 2 + 1


def _sets(stack: Stack) -> list[_Workload]:
    found = [
        _Workload(pod) for pod in pods_in(stack) if pod.resource.is_a("apps/StatefulSet", "apps/Deployment")
    ]
    return [each for each in found if each.is_sentinel or any(each.told(Variables.QUORUM))]


def _quorum(stack: Stack, _: Context) -> Iterable[Finding]:
    workloads = _sets(stack)
    for each in workloads:
        counts = [number for _, number in each.told(Variables.SENTINELS)]
        counts = counts or [number for number in [each.replicas] if number and each.is_sentinel]
        for path, quorum in each.told(Variables.QUORUM):
            if counts:
                yield from _unfit(path, quorum, counts[0], each.owner)
    for sentinel in (each for each in workloads if each.is_sentinel and each.replicas):
        for config in stack:
            if not config.is_a("ConfigMap") or config.namespace != sentinel.owner.namespace:
                continue
            for key, content in mapping(config.props, "data").items():
                for line in _MONITOR.finditer(text(content)):
                    quorum = int(line.group(1))
                    yield from _unfit(("data", key), quorum, sentinel.replicas or 0, config)


def _unfit(path: Path, quorum: int, sentinels: int, owner: Resource) -> Iterator[Finding]:
    wanted = f"Write {majority(sentinels)}, the majority of {sentinels}."
    if quorum > sentinels:
        yield Finding(path, f"asks for {quorum} votes, and there are {sentinels} Sentinels", wanted, owner)
    elif quorum < majority(sentinels):
        yield Finding(path, f"asks for {quorum} of {sentinels} votes, which is no majority", wanted, owner)


def _counts(stack: Stack, _: Context) -> Iterable[Finding]:
    for each in _sets(stack):
        if each.replicas is None:
            continue
        path, owner = ("spec", "replicas"), each.owner
        if each.is_sentinel and (each.replicas < _LEAST or each.replicas % 2 == 0):
            yield Finding(
                path,
                f"is {each.replicas}",
                "Write an odd number from 3 on: an even one bears no more losses than the one below it.",
                owner,
            )
        elif not each.is_sentinel and each.replicas < 2:
            yield Finding(path, f"is {each.replicas}: no replica can take over", "Write 2 or more.", owner)
        variable = Variables.SENTINELS if each.is_sentinel else Variables.MEMBERS
        for where, number in each.told(variable):
            if number != each.replicas:
                yield Finding(
                    where,
                    f"is {number}, and there are {each.replicas} pods",
                    f"Write {each.replicas}.",
                    owner,
                )


def _agreement(stack: Stack, _: Context) -> Iterable[Finding]:
    """Every container of a set is told the same numbers."""
    first: dict[tuple[str, str], int] = {}
    for each in _sets(stack):
        for variable in (Variables.MEMBERS, Variables.SENTINELS, Variables.QUORUM):
            for path, number in each.told(variable):
                known = first.setdefault((each.owner.namespace, variable), number)
                if number != known:
                    yield Finding(
                        path,
                        f"is {number}, where others of the set are told {known}",
                        "Write the same number for all of them.",
                        each.owner,
                    )


def _drains(stack: Stack, _: Context) -> Iterable[Finding]:
    """A drain must leave the Sentinels a majority."""
    for sentinel in _sets(stack):
        if not sentinel.is_sentinel or not sentinel.replicas:
            continue
        for budget in stack:
            if not budget.is_a("policy/PodDisruptionBudget") or budget.namespace != sentinel.owner.namespace:
                continue
            if not selects(at(budget.props, "spec", "selector"), sentinel.pod.labels):
                continue
            spec, needed = mapping(budget.props, "spec"), majority(sentinel.replicas)
            left = spec.get("minAvailable")
            if isinstance(taken := spec.get("maxUnavailable"), int):
                left = sentinel.replicas - taken
            if isinstance(left, int) and left < needed:
                name = "maxUnavailable" if "maxUnavailable" in spec else "minAvailable"
                yield Finding(
                    ("spec", name),
                    f"leaves {left} of {sentinel.replicas} Sentinels, which is no majority",
                    "Write maxUnavailable: 1.",
                    budget,
                )


_FAMILY = "Sentinels"
RULES = (
    Rule(
        "sentinel-quorum",
        _FAMILY,
        "With a wrong quorum, no failover is possible, or two sides decide at once.",
        check_stack=_quorum,
    ),
    Rule(
        "sentinel-counts",
        _FAMILY,
        "A failover needs a majority of the Sentinels and at least one replica.",
        check_stack=_counts,
    ),
    Rule(
        "sentinel-agreement",
        _FAMILY,
        "Servers that count differently can appoint two primaries.",
        check_stack=_agreement,
    ),
    Rule(
        "sentinel-drain",
        _FAMILY,
        "While nodes are drained, a majority of the Sentinels must stay.",
        check_stack=_drains,
    ),
)
