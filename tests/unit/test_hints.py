"""What messages tell the reader to do exists: each `fwb` command and its options, and each setting."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path
from typing import Any, get_args

import typer
from pydantic import BaseModel

import settings
from filewallball import cli
from filewallball.checks.suites import find

ROOT = Path(__file__).parents[2]
SOURCES = [
    ROOT / "settings.py",
    *sorted(path for part in ("filewallball", "components") for path in (ROOT / part).rglob("*.py")),
]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
COMMAND = re.compile(r"`fwb ([^`]*)`")
SETTING = re.compile(r"filewallball:([a-z]\w*(?:\.\w+)*)(?![\w:/-])")
HINTED = {"UserError": 1, "ConfigError": 1, "CheckFailed": 2, "StoreError": 1}
TYPERS = {"--help", "--install-completion", "--show-completion"}
"""What every typer program has, though not every version tells of it."""
ERRORS = re.compile(r"(Error|Failed|Refused|unreachable)$")


def texts(node: ast.AST) -> Iterator[str]:
    """Every string below a node; what an f-string puts in is shown as {}. Docstrings are left out."""
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
        return
    if isinstance(node, ast.JoinedStr):
        parts = (part.value if isinstance(part, ast.Constant) else "{}" for part in node.values)
        yield "".join(str(part) for part in parts)
    elif isinstance(node, ast.Constant) and isinstance(node.value, str):
        yield node.value
    for child in ast.iter_child_nodes(node):
        if not isinstance(node, ast.JoinedStr):
            yield from texts(child)


def said(path: Path) -> list[str]:
    return list(texts(ast.parse(path.read_text(encoding="utf-8"))))


def errors(path: Path) -> list[str]:
    """The strings that stand in the arguments of an error."""
    return [
        text
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and ERRORS.search(ast.unparse(node.func))
        for text in texts(node)
    ]


def unknown_command(words: str) -> str:
    """Why there is no such command; empty where there is one."""
    command: Any = typer.main.get_command(cli.app)
    rest = [word for word in shlex.split(words.replace("…", "").replace("[", "").replace("]", "")) if word]
    while rest and hasattr(command, "commands") and not rest[0].startswith("--"):
        name = rest.pop(0)
        found = [command.commands.get(each) for each in name.split("|")]
        if None in found:
            return f"{command.name} has no {name}"
        command = found[0]
    options = {name for option in command.params for name in (*option.opts, *option.secondary_opts)}
    options |= TYPERS
    wrong = [word for word in rest if word.startswith("--") and word.partition("=")[0] not in options]
    return f"{command.name} has no {wrong[0]}" if wrong else ""


def known_setting(path: str) -> bool:
    model: Any = settings.Settings
    for part in path.split("."):
        names = {field.alias or name: field for name, field in getattr(model, "model_fields", {}).items()}
        if part not in names:
            return False
        kind = names[part].annotation
        model = next((each for each in (kind, *get_args(kind)) if _is_model(each)), None)
    return True


def _is_model(kind: Any) -> bool:
    return isinstance(kind, type) and issubclass(kind, BaseModel)


def test_every_command_and_setting_that_is_named_exists() -> None:
    wrong: list[str] = []
    for path in (*SOURCES, *PAGES):
        every = [path.read_text(encoding="utf-8")] if path.suffix == ".md" else said(path)
        for text in every:
            wrong += [
                f"{path.name}: {why}" for found in COMMAND.findall(text) if (why := unknown_command(found))
            ]
            wrong += [f"{path.name}: no {name}" for name in SETTING.findall(text) if not known_setting(name)]
    assert not wrong


def test_no_error_sends_the_reader_to_what_only_the_program_writes() -> None:
    inside = re.compile(
        r"FWB_(DB|STORE|WORK|VALKEY)\w*|store-credentials|\b(in|edit|change) (redis|valkey|sentinel)\.conf"
    )
    bare = re.compile(
        r"(?<![\w:.{}])(redis|valkey|mariadb|backup|toolkit|agent|checks|cluster)\.[a-z]+[A-Z]?\w*(\.\w+)*"
    )
    wrong: list[str] = []
    for path in SOURCES:
        if (
            path.parts[len(ROOT.parts)] != "filewallball"
        ):  # the schema's faults name settings by their path alone
            continue
        for text in errors(path):
            wrong += [f"{path.name}: {text}"] if inside.search(text) else []
            wrong += [f"{path.name}: {each[0]} without filewallball:" for each in bare.finditer(text)
                      if known_setting(each[0])]  # fmt: skip
    assert not wrong


def test_hints_are_sentences() -> None:
    """The last argument of an error that is a plain text begins with a capital and ends as a sentence."""
    wrong: list[str] = []
    for path in SOURCES:
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if not (isinstance(node, ast.Call) and ast.unparse(node.func) in HINTED):
                continue
            place = HINTED[ast.unparse(node.func)]
            hint = node.args[place] if len(node.args) > place else None
            if isinstance(hint, ast.Constant) and isinstance(hint.value, str) and hint.value:
                text = hint.value
                if not text[0].isupper() or text[-1] not in ".:…":
                    wrong.append(f"{path.name}:{node.lineno}: {text}")
    assert not wrong


def test_the_troubleshooting_page_has_every_check() -> None:
    page = (ROOT / "docs" / "troubleshooting.md").read_text(encoding="utf-8")
    missing = [check.name for suite in find() for check in suite.checks if f"`{check.name}`" not in page]
    assert missing == []


def test_a_wrong_command_or_setting_would_be_found() -> None:
    assert unknown_command("backup now dev --allow-nothing") == "now has no --allow-nothing"
    assert unknown_command("backups list dev") == "fwb has no backups"
    assert not unknown_command("check STACK valkey-quorum --quick")
    assert not known_setting("valkey.maxMemory")
    assert known_setting("valkey.snapshots.maxAgeHours")
