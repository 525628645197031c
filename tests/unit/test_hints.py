"""What messages tell the reader to do exists: each `fwb` command and its options, and each setting."""

from __future__ import annotations

import functools
import re
import shlex
from pathlib import Path
from typing import Any, get_args

import typer
from messages import Module, Places, all_modules, places_of_hints
from pydantic import BaseModel

import settings
from filewallball import cli

ROOT = Path(__file__).parents[2]
SOURCES = [
    ROOT / "settings.py",
    *sorted(path for part in ("filewallball", "components") for path in (ROOT / part).rglob("*.py")),
]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMAND = re.compile(r"`fwb ([^`]*)`")
SETTING = re.compile(r"filewallball:([a-z]\w*(?:\.\w+)*)(?![\w:/-])")
TYPERS = {"--help", "--install-completion", "--show-completion"}
"""What every typer program has, though not every version tells of it."""
KUBECTL = re.compile(
    r"\bkubectl ((?:-\S+ \S+ )*(?:annotate|delete|describe|edit|exec|get|label|logs|patch|rollout|scale|top) "
    r"[^`;]*)"
)
SOMEWHERE = re.compile(r"(^| )(-n|-A|--namespace|--all-namespaces|--raw)\b|\b(nodes?|pv|storageclass(es)?)\b")
BARE = re.compile(
    r"(?<![\w:.{}])(redis|valkey|mariadb|backup|toolkit|agent|checks|cluster)\.[a-z]+[A-Z]?\w*(\.\w+)*"
)
NAMES = {
    *("apt", "apt-get", "checks.json", "cluster", "context", "ctr", "destroy", "go", "ip", "kubeadm"),
    *(
        "mariadb-dump",
        "mariadbd",
        "mmdebstrap",
        "nft",
        "pip",
        "pod",
        "rolling-image",
        "runc",
        "sandbox",
        "stack",
    ),
}
"""What an error may begin with in lower case: a command, a file, a resource."""


@functools.cache
def modules() -> dict[Path, Module]:
    """Not read as the tests are collected, which each worker does."""
    return all_modules(SOURCES)


@functools.cache
def places() -> Places:
    return places_of_hints(list(modules().values()))


@functools.cache
def all_commands() -> Any:
    """Each call would make all of them anew, which takes a tenth of a second."""
    return typer.main.get_command(cli.app)


def unknown_command(words: str) -> str:
    """Why there is no such command; empty where there is one."""
    command = all_commands()
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


def bad_hint(text: str) -> bool:
    """Whether a hint is no sentence: {} stands for what only a run knows."""
    return not (text[0].isupper() or text[0] in "`{") or not (text.endswith((".", "{}")))


def bad_error(text: str) -> bool:
    """Whether an error begins with a small letter, and not with a name."""
    return (
        text[0].islower() and re.split(r"[ :]", text)[0] not in NAMES and not text.startswith("filewallball:")
    )


def bare_settings(text: str) -> list[str]:
    """The settings that a text names without `filewallball:`, which nobody can copy."""
    return [each[0] for each in BARE.finditer(text) if known_setting(each[0])]


def bad_kubectl(text: str) -> list[str]:
    """The kubectl commands of a text that don't say in which namespace."""
    return [found for found in KUBECTL.findall(text) if not SOMEWHERE.search(found)]


def test_every_command_and_setting_that_is_named_exists() -> None:
    wrong: list[str] = []
    told = [(path, text) for path, module in modules().items() for text in module.texts()]
    told += [(page, page.read_text(encoding="utf-8")) for page in PAGES]
    for path, text in told:
        commands = [why for found in COMMAND.findall(text) if (why := unknown_command(found))]
        settings_ = [f"no {name}" for name in SETTING.findall(text) if not known_setting(name)]
        wrong += [f"{path.name}: {why}" for why in (*commands, *settings_)]
    assert not wrong


def test_no_error_sends_the_reader_to_what_only_the_program_writes() -> None:
    inside = re.compile(
        r"FWB_(DB|STORE|WORK|VALKEY)\w*|store-credentials|\b(in|edit|change) (redis|valkey|sentinel)\.conf"
    )
    wrong: list[str] = []
    for path, module in modules().items():
        for line, text in module.errors() if path.is_relative_to(ROOT / "filewallball") else ():
            wrong += [f"{path.name}:{line}: {text}"] if inside.search(text) else []
            wrong += [f"{path.name}:{line}: {each} without filewallball:" for each in bare_settings(text)]
    assert not wrong


def test_warnings_name_settings_as_the_file_does() -> None:
    """The list of refused values has paths alone: it says which file they are in."""
    module = modules()[ROOT / "components" / "schema" / "settings.py"]
    texts = [text for text in module.texts() if ". " in text]
    assert any("filewallball:agent.image" in text for text in texts)
    assert not [each for text in texts for each in bare_settings(text)]


def test_hints_are_sentences() -> None:
    """A capital, a full stop. Those that are put together, or stand in tables, likewise."""
    told = [(path, *each) for path, module in modules().items() for each in module.hints(places())]
    assert len(told) > 450, "they are found no longer"
    assert not [f"{path.name}:{line}: {text}" for path, line, text in told if bad_hint(text)]


def test_errors_begin_with_a_capital_or_a_name() -> None:
    # these two are told behind the name of a server
    told = [(path, *each) for path, module in modules().items() for each in module.beginnings(places())]
    told = [
        each for each in told if not str(each[0]).endswith(("snapshots/transfer.py", "valkey/appoint.py"))
    ]
    assert len(told) > 120, "they are found no longer"
    assert not [f"{path.name}:{line}: {text}" for path, line, text in told if bad_error(text)]


def test_kubectl_is_told_where() -> None:
    wrong = [(path.name, each) for path, module in modules().items() for text in module.texts()
             for each in bad_kubectl(text)]  # fmt: skip
    # the prefix of a stack output ends in the namespace
    assert [each for each in wrong if each[0] != "stackoutputs.py"] == []


def test_a_wrong_command_or_setting_would_be_found() -> None:
    assert unknown_command("backup now dev --allow-nothing") == "now has no --allow-nothing"
    assert unknown_command("backups list dev") == "fwb has no backups"
    assert not unknown_command("check STACK valkey-quorum --quick")
    assert not known_setting("valkey.maxMemory")
    assert known_setting("valkey.snapshots.maxAgeHours")
    assert bare_settings("raise redis.maxmemory") == ["redis.maxmemory"]
    assert not bare_settings("raise filewallball:redis.maxmemory")


PLANTED = """
PLACE = "filewallball:redis"
_HINTS = {1: "look at it.", 2: f"Raise {PLACE}.maxMemory."}
_ROWS = [("sign", "never a hint")]
_MORE_HINTS = [("sign", "Look at it")]

class Odd(UserError):
    pass

def judge(seen: str, hint: str) -> None:
    raise Odd("there is none", hint)

def advice(code: int) -> str:
    return "Run `kubectl get pods`." if code else "Do it" + " now"

judge("x", f"look at {PLACE}.")
judge("x", hint=_HINTS[1])
raise Odd("stack dev has none", "Raise it, " + "please")
"""


def test_planted_hints_are_found() -> None:
    """Each rule fails: on an f-string, a table, a sum, an alternative, a parameter, an own error."""
    base = Module.read("class UserError(Exception):\n    def __init__(self, message, hint=''): ...")
    planted = Module.read(PLANTED)
    found = places_of_hints([base, planted])
    assert (found["Odd"], found["judge"]) == (1, 1)
    assert {text for _, text in planted.hints(found) if bad_hint(text)} == {
        "look at it.",
        "Look at it",
        "Do it now",
        "look at filewallball:redis.",
        "Raise it, please",
    }
    texts = list(planted.texts())
    assert [name for text in texts for name in SETTING.findall(text) if not known_setting(name)] == [
        "redis.maxMemory"
    ]
    assert [each for text in texts for each in bad_kubectl(text)] == ["get pods"]
    assert [text for _, text in planted.beginnings(found) if bad_error(text)] == ["there is none"]


def test_which_kubectl_commands_are_whole() -> None:
    for good in ("-n {} get pods", "get pods -A", "get nodes -L x", "--context {} get --raw /readyz"):
        assert bad_kubectl(f"Run `kubectl {good}`.") == []
    for bad in ("get pods", "logs valkey-0 -c agent", "delete pod {}", "top pod"):
        assert bad_kubectl(f"Run `kubectl {bad}`.") == [bad]
