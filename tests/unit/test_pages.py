"""The pages name what exists: files, headings of other pages, and the messages that they explain."""

from __future__ import annotations

import ast
import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import pytest
from test_hints import bad_kubectl, unknown_command

from filewallball.checks.suites import ALL

ROOT = Path(__file__).parents[2]
PAGES = [
    ROOT / "README.md",
    *sorted((ROOT / "docs").rglob("*.md")),
    *sorted((ROOT / "benchmarks").rglob("README.md")),
]
CHECKS = {check.name for check in ALL}
MAKEFILE = (ROOT / "Makefile").read_text(encoding="utf-8")
LINK = re.compile(r"\]\(([^)#\s]*)(?:#([^)\s]*))?\)")
FOLDERS = "benchmarks|components|docs|facts|filewallball|images|scripts|tests"
NAMED = re.compile(rf"`((?:{FOLDERS})/[\w./-]*)`")
PROGRAMS = {
    *(
        "aws",
        "cd",
        "curl",
        "docker",
        "eksctl",
        "export",
        "git",
        "go",
        "helm",
        "install",
        "k3s",
        "kind",
        "kubectl",
        "mariadb",
        "mkdir",
        "pulumi",
        "sha256sum",
    ),
    *("python3", "time", ".venv/bin/python"),
}
"""Programs of others that a page may tell the reader to run."""
OTHERS = {"make up", "certificate verify failed", "invalid bulk length", "NOPERM", "NOREPLICAS"}
"""A command, and what servers and libraries say."""


def anchors(page: Path) -> set[str]:
    """The headings as GitHub links to them."""
    headings = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def quoted(page: str) -> Iterator[str]:
    """The messages in the first column of the tables that say what the reader sees."""
    for table in re.findall(r"^\| what you see \|.*\n((?:\|.*\n)+)", page, re.MULTILINE):
        for row in table.splitlines()[1:]:
            yield from re.findall(r"`([^`]*)`", row.split("|")[1])


def pieces(message: str) -> list[str]:
    """What is the same in every such message: … stands for what differs."""
    return [piece for piece in re.split(r"[…\s]*…[…\s]*", message) if piece]


def console(page: str) -> Iterator[str]:
    """The commands in the blocks of a page, each whole; what they print is left out."""
    for block in re.findall(r"^ *```console\n(.*?)^ *```", page, re.MULTILINE | re.DOTALL):
        lines = [re.sub(r" +# .*", "", line).strip() for line in block.replace("\\\n", " ").splitlines()]
        prompted = [line[2:] for line in lines if line.startswith("$ ")]
        yield from prompted or [line for line in lines if line and line[0] not in "#>"]


PATTERNS = re.findall(r"^([a-z-]+)%:", MAKEFILE, re.MULTILINE)
"""How the targets begin that end in the name of an environment."""


def has_target(target: str) -> bool:
    ends = [target.removeprefix(start) for start in PATTERNS if target.startswith(start)]
    return f"\n{target}:" in MAKEFILE or any(end in ("local", "dev", "prd") for end in ends)


def wrong_command(line: str) -> str:
    """Why a command can't be typed as it stands; empty if it can. Each part of a pipe counts."""
    for part in re.split(r" (?:\||&&) ", line):
        words = shlex.split(re.sub(r"<\(.*?\)|\$\(.*?\)", "X", part))
        while words and re.fullmatch(r"[A-Z_]+=.*", words[0]):
            words.pop(0)
        program, rest = (words[0], words[1:]) if words else ("", [])
        if program in ("fwb", ".venv/bin/fwb"):
            names = [word for word in rest[2:] if word.islower() and not word.startswith("-")]
            unknown = [name for name in names if rest[0] == "check" and name not in CHECKS]
            why = unknown_command(shlex.join(rest)) or (f"no check {unknown[0]}" if unknown else "")
        elif program == "make":
            why = "" if all(has_target(target) for target in rest if target.islower()) else "no such target"
        elif program == "kubectl":
            why = "no namespace" if bad_kubectl(shlex.join(words)) else ""
        elif (ROOT / program).is_file():
            why = ""
        else:
            known = PROGRAMS | {"age", "age-keygen", "grep", "gunzip", "gzip", "redis-cli", "zstd"}
            why = "" if program in known else f"no program {program}"
        if why:
            return f"{line}: {why}"
    return ""


def sources() -> str:
    """Every text in the sources, what an f-string puts in left out."""
    found = [(ROOT / "scripts" / "bootstrap").read_text(encoding="utf-8")]
    for path in sorted((ROOT / "filewallball").rglob("*.py")):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.JoinedStr):
                parts = (part.value if isinstance(part, ast.Constant) else "…" for part in node.values)
                found.append("".join(str(part) for part in parts))
            elif isinstance(node, ast.Constant) and isinstance(node.value, str):
                found.append(node.value)
    return "\n".join(found)


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_and_files_lead_somewhere(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    wrong: list[str] = []
    for target, anchor in LINK.findall(text):
        if "://" in target:
            continue
        path = (page.parent / target).resolve() if target else page
        if not path.exists() or (anchor and anchor not in anchors(path)):
            wrong.append(f"{target}#{anchor}")
    # x is a component that is yet to be written
    wrong += [name for name in NAMED.findall(text) if "/x" not in name and not (ROOT / name).exists()]
    assert wrong == []


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_commands_can_be_typed_as_they_stand(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    inline = re.findall(r"`((?:fwb|make|kubectl) [^`]*)`", re.sub(r"```.*?```", "", text, flags=re.DOTALL))
    commands = [*console(text), *(" ".join(each.split()) for each in inline)]
    assert [why for each in commands if (why := wrong_command(each))] == []


def test_a_wrong_command_would_be_found() -> None:
    for line, why in (
        ("fwb backup restore prd", "backup has no restore"),
        ("fwb check prd redis-evict", "no check redis-evict"),
        ("make everything", "no such target"),
        ("make test-cluster-qa", "no such target"),
        ("cat x | kubectl get pods", "no program cat"),
        ("A=1 kubectl exec -i mariadb-0 -- sh", "no namespace"),
    ):
        assert wrong_command(line).endswith(why)
    assert not wrong_command("A=1 fwb check prd redis-config --json && make up | gunzip")


def test_explained_messages_are_said_somewhere() -> None:
    said = sources()
    explained = {message for page in PAGES for message in quoted(page.read_text(encoding="utf-8"))} - OTHERS
    assert len(explained) > 10
    assert [
        message for message in sorted(explained) if not all(piece in said for piece in pieces(message))
    ] == []
