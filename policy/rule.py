"""What a rule is: a name, a reason, how strict it is, and the check."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from fnmatch import fnmatchcase
from typing import Any, Final, Literal

from policy.plain import Path, dotted
from policy.resources import Resource, Stack

Level = Literal["advisory", "mandatory", "remediate", "disabled"]
LEVELS: Final[tuple[Level, ...]] = ("advisory", "mandatory", "remediate", "disabled")

PRODUCTION: Final = "productionStacks"


@dataclass(frozen=True)
class Option:
    """A setting of a rule: its JSON schema holds type and default."""

    name: str
    description: str
    schema: Mapping[str, Any]

    @property
    def default(self) -> Any:
        return self.schema["default"]


def names(name: str, description: str, *default: str) -> Option:
    """A setting that is a list of texts."""
    return Option(name, description, {"type": "array", "items": {"type": "string"}, "default": list(default)})


_PRODUCTION_OPTION = names(
    PRODUCTION,
    "Names of production stacks, * for any text; a stack that sets `protect` is one, too",
    "prd", "prd-*", "prod", "prod-*", "production",
)  # fmt: skip


@dataclass(frozen=True)
class Finding:
    """A violation: `found` continues a sentence about the property at `path`, `write` is one of its own.

    `resource`: whose property it is; a rule about single resources leaves it out. No value that may be a
    secret stands in any of it.
    """

    path: Path
    found: str
    write: str
    resource: Resource | None = None

    def text(self, resource: Resource) -> str:
        """The whole message."""
        owner = self.resource or resource
        return f"{owner.title}: {dotted(self.path)} {self.found}. {self.write}"


@dataclass(frozen=True)
class Context:
    """What a check is told beside the resources. `options`: the rule's, defaults filled in."""

    options: Mapping[str, Any] = field(default_factory=dict[str, Any])
    production: bool = False


ResourceCheck = Callable[[Resource, Context], Iterable[Finding]]
StackCheck = Callable[[Stack, Context], Iterable[Finding]]
Remedy = Callable[[Resource, Context], Mapping[Path, Any]]
"""The properties of a resource that should be others, with their values."""


@dataclass(frozen=True)
class Rule:
    """`check` looks at one resource, `check_stack` at all of them: a rule has one of the two.

    `production`: it holds in production stacks alone.
    """

    name: str
    family: str
    reason: str
    check: ResourceCheck | None = None
    check_stack: StackCheck | None = None
    level: Level = "mandatory"
    own_options: tuple[Option, ...] = ()
    production: bool = False
    remedy: Remedy | None = None

    @property
    def options(self) -> tuple[Option, ...]:
        """All its settings."""
        return (*self.own_options, _PRODUCTION_OPTION) if self.production else self.own_options

    def context(self, stack: str, given: Mapping[str, Any], *, protected: bool) -> Context:
        """What its check is told. `given`: what is configured. `protected`: what the stack says of itself."""
        options = {option.name: given.get(option.name, option.default) for option in self.options}
        named = any(fnmatchcase(stack, pattern) for pattern in options.get(PRODUCTION, ()))
        return Context(options, production=protected or named)

    def on_resource(self, resource: Resource, context: Context) -> list[Finding]:
        """What it finds wrong with a resource."""
        if self.check is None or (self.production and not context.production):
            return []
        return list(self.check(resource, context))

    def on_stack(self, stack: Stack, context: Context) -> list[Finding]:
        """What it finds wrong with a stack."""
        if self.check_stack is None or (self.production and not context.production):
            return []
        return list(self.check_stack(stack, context))
