"""A stack's file with one value changed, and every other character of it as it was."""

from __future__ import annotations

import os
import tempfile
from pathlib import Path
from typing import Any, cast

import yaml
from yaml.nodes import MappingNode, Node, ScalarNode

from filewallball.errors import ConfigError


def with_value(text: str, prefix: str, path: str, value: str, name: str) -> str:
    """The text with `value` at the dotted path of a setting, whose key starts with `prefix`.

    Comments, order and quotes of all else stay. Raises ConfigError where what stands above the setting is no
    mapping. `name`: the file's, for messages.
    """
    first, *rest = path.split(".")
    document = yaml.compose(text, Loader=yaml.SafeLoader)
    config = _value(document, "config")
    bare = _value(config, first) and not _value(config, prefix + first)
    steps = [first if bare else prefix + first, *rest]
    node, done = config, 0
    while done < len(steps) and (inner := _value(node, steps[done])) is not None:
        node, done = inner, done + 1
    if done == len(steps) and isinstance(node, ScalarNode):
        start = node.start_mark.index
        old = text[start : node.end_mark.index].rstrip()  # a block's end is the start of the next line
        return text[:start] + _scalar(value) + text[start + len(old) :]
    if not isinstance(node, MappingNode) or not node.value:
        raise ConfigError(
            f"{name}: {path} can't be written, since what stands above it is no mapping",
            f"Write it by hand: {path}: {value}",
        )
    return _inserted(text, node, steps[done:], value)


def _value(node: Node | None, key: str) -> Node | None:
    if isinstance(node, MappingNode):
        for found, value in cast("list[tuple[Any, Node]]", node.value):
            if found.value == key:
                return value
    return None


def _inserted(text: str, node: MappingNode, keys: list[str], value: str) -> str:
    """The text with new keys, one below the other, at the head of a mapping."""
    first = cast("list[tuple[Node, Node]]", node.value)[0][0].start_mark
    if node.flow_style:
        opened, closed = "".join(f"{{{key}: " for key in keys[1:]), "}" * (len(keys) - 1)
        new = f"{keys[0]}: {opened}{_scalar(value)}{closed}, "
        return text[: first.index] + new + text[first.index :]
    lines, indent = "", first.column
    for key in keys[:-1]:
        lines += f"{' ' * indent}{key}:\n"
        indent += 2
    lines += f"{' ' * indent}{keys[-1]}: {_scalar(value)}\n"
    start = first.index - first.column
    return text[:start] + lines + text[start:]


def _scalar(value: str) -> str:
    """As YAML takes it: the reference of an image needs no quotes, unless it would read as something else."""
    plain = yaml.safe_load(value) == value and not set(value) & set("#{}[],&*!|>'\"%`")
    return value if plain else f"'{value}'"


def write(path: Path, text: str) -> None:
    """Replace a file by a whole new one, with the same rights; a link stays a link."""
    target = path.resolve()
    mode = target.stat().st_mode & 0o777
    with tempfile.NamedTemporaryFile(
        "w", dir=target.parent, prefix=f".{target.name}.", encoding="utf-8", newline="", delete=False
    ) as file:
        file.write(text)
    temporary = Path(file.name)
    try:
        temporary.chmod(mode)
        os.replace(temporary, target)  # noqa: PTH105 - one step
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
