"""YAML files as the parser of the Pulumi CLI reads them, with every fault told by its line."""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode, SequenceNode

from filewallball.errors import ConfigError
from filewallball.files import read_text

_ADVICE = (
    ("'\\t'", "Indent with blanks, not with a tab."),
    ("cannot start any token", "Put the text that begins with this character in quotes."),
    ("expected alphabetic or numeric", "Put a text that begins with * or & in quotes."),
    ("undefined alias", "Put a text that begins with * in quotes."),
    ("unhashable key", "Put a text with braces in quotes."),
)
"""What to do, by what the parser says."""
MOST_VALUES = 100_000
"""Values that a file may have with all aliases replaced. A few lines can stand for more than fits in memory.
"""


class _Loader(yaml.SafeLoader):
    """Dates stay text, only true and false are booleans, and a key stands once in a mapping."""

    def construct_mapping(self, node: MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[str] = set()
        for key, _ in node.value:
            if key.tag == "tag:yaml.org,2002:merge" or not isinstance(key, ScalarNode):
                continue
            if key.value in seen:
                raise _fault("this key stands here twice", key, str(key.value))
            seen.add(key.value)
        return super().construct_mapping(node, deep)


_OURS = {
    "bool": ("^(?:true|True|TRUE|false|False|FALSE)$", "tTfF"),
    # neither 12:30 is a number, as PyYAML has it, nor 1e3 a text
    "int": (r"^[-+]?(?:0b[01_]+|0o?[0-7_]+|0|[1-9][0-9_]*|0x[0-9a-fA-F_]+)$", "-+0123456789"),
    "float": (
        r"^(?:[-+]?(?:\.[0-9]+|[0-9]+\.[0-9]*|[0-9]+(?=[eE]))(?:[eE][-+]?[0-9]+)?"
        r"|[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN))$",
        "-+0123456789.",
    ),
}
_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern) for tag, pattern in resolvers if tag.rpartition(":")[2] not in {*_OURS, "timestamp"}
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
_resolve: Callable[[str, re.Pattern[str], list[str]], None] = _Loader.add_implicit_resolver  # pyright: ignore
for _kind, (_pattern, _first) in _OURS.items():
    _resolve(f"tag:yaml.org,2002:{_kind}", re.compile(_pattern), list(_first))
_PLAIN = ("null", "bool", "int", "float", "str", "seq", "map")
"""The types of YAML that JSON has too, since a configuration is handed on as JSON."""
_Loader.yaml_constructors = {
    tag: make
    for tag, make in yaml.SafeLoader.yaml_constructors.items()
    if tag is None or str(tag).rpartition(":")[2] in _PLAIN
}


def load(path: Path) -> dict[str, Any]:
    """The mapping that a file holds, empty for an empty file. Scalars right below `config` stay text.

    Raises ConfigError with the file's name, and the line where there is one.
    """
    loader = None
    try:
        loader = _Loader(read_text(path))
        node = loader.get_single_node()
        if node is None:
            return {}
        if not isinstance(node, MappingNode):
            raise ConfigError(f"{path.name} must be a mapping", "Write keys and values, such as `config:`.")
        _refuse_growth(node)
        construct: Callable[[Node], Any] = loader.construct_document  # pyright: ignore
        content = cast("dict[str, Any]", construct(node))
        if isinstance(content.get("config"), dict):
            content["config"] |= _raw_scalars(node)
    except yaml.YAMLError as error:
        raise ConfigError(*_told(path, error)) from None
    except RecursionError:
        raise ConfigError(
            f"{path.name} is nested too deeply", "Write fewer levels below each other."
        ) from None
    except (ValueError, OverflowError) as error:  # of a number that looks like one and isn't
        raise ConfigError(
            f"{path.name} holds a number that cannot be read: {error}", "Correct it, or write it in quotes."
        ) from None
    else:
        return content
    finally:
        if loader:
            loader.dispose()


def scalar(text: str) -> Any:
    """What a text would be as a value in a file. A text that is no YAML is itself."""
    try:
        value: Any = yaml.load(text, Loader=_Loader)  # noqa: S506 - a SafeLoader
    except (yaml.YAMLError, ValueError, RecursionError):
        return text
    return value


def _raw_scalars(document: MappingNode) -> dict[str, str]:
    """The values right below `config`, as they are written: the CLI takes each of them for a text."""
    found: dict[str, str] = {}
    for key, config in document.value:
        if key.value == "config" and isinstance(config, MappingNode):
            for name, value in config.value:
                if isinstance(value, ScalarNode) and isinstance(name, ScalarNode):
                    found[name.value] = "" if value.tag.endswith(":null") else value.value
    return found


def _refuse_growth(root: Node) -> None:
    """Raise for a value that contains itself, and for one that grows out of all bounds by its aliases."""
    sizes: dict[int, int] = {}
    open_: set[int] = set()

    def size(node: Node) -> int:
        if id(node) in open_:
            raise _fault("this value refers to itself", node)
        if id(node) not in sizes:
            open_.add(id(node))
            sizes[id(node)] = 1 + sum(map(size, _inner(node)))
            open_.discard(id(node))
            if sizes[id(node)] > MOST_VALUES:
                raise _fault(f"its aliases make more than {MOST_VALUES} values of it", node)
        return sizes[id(node)]

    size(root)


def _inner(node: Node) -> list[Node]:
    if isinstance(node, MappingNode):
        return [part for pair in node.value for part in pair]
    return list(node.value) if isinstance(node, SequenceNode) else []


def _fault(problem: str, node: Node, name: str = "") -> yaml.MarkedYAMLError:
    return yaml.MarkedYAMLError(
        problem=f"{name}: {problem}" if name else problem, problem_mark=node.start_mark
    )


def _told(path: Path, error: yaml.YAMLError) -> tuple[str, str]:
    mark = getattr(error, "problem_mark", None)
    where = f", line {mark.line + 1}" if mark else ""
    problem = getattr(error, "problem", None) or getattr(error, "reason", "")
    advice = next((advice for sign, advice in _ADVICE if sign in str(problem)), "")
    return f"{path.name}{where} is not valid YAML: {problem}", f"Correct {path}. {advice}".rstrip()
