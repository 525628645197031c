"""What users.acl and the servers' configuration reserve, against what the program takes for its own."""

from __future__ import annotations

import re
from fnmatch import fnmatchcase
from pathlib import Path

import pytest

from filewallball.snapshots.databases import DATABASES, OWN, STAGING

FILES = Path(__file__).parents[3] / "components" / "files"


def directive(file: str, name: str) -> list[str]:
    lines = (FILES / file).read_text(encoding="utf-8").splitlines()
    [found] = [line.split()[1:] for line in lines if line.startswith(f"{name} ")]
    return found


def rules() -> list[str]:
    users = (FILES / "valkey/users.acl").read_text(encoding="utf-8").splitlines()
    return users[0].split()[4:]


@pytest.mark.parametrize("file", ["valkey/valkey.conf", "snapshots/throwaway.conf"])
def test_there_is_one_database_more_than_applications_have(file: str) -> None:
    assert directive(file, "databases") == [str(STAGING + 1)]
    assert STAGING not in DATABASES


def test_applications_select_their_databases_only() -> None:
    assert "-select" in rules()
    assert [rule for rule in rules() if rule.startswith("+select")] == [f"+select|{n}" for n in DATABASES]
    assert {"-move", "-copy"} <= set(rules()), "they name a database of which no rule knows"


def allowed(key: str) -> bool:
    patterns = [rule[1:].replace("[^", "[!") for rule in rules() if rule.startswith("~")]
    return any(fnmatchcase(key, pattern) for pattern in patterns)


@pytest.mark.parametrize("key", [*OWN, "fwb:", "fwb:check:1", "fwb:part:2", "fwb::"])
def test_the_products_keys_are_no_applications(key: str) -> None:
    assert not allowed(key)


@pytest.mark.parametrize(
    "key", ["", "f", "fw", "fwb", "fwb;", "fwbx", "fw:b", "FWB:", "session:fwb:", "\n", "f*"]
)
def test_all_others_are(key: str) -> None:
    assert allowed(key)


@pytest.mark.parametrize("file", ["valkey/valkey.conf", "redis/redis.conf"])
def test_what_can_be_written_can_be_read(file: str) -> None:
    """Even by a client that reads slowly: below the limit at which it would be closed after a while."""
    [largest] = directive(file, "proto-max-bulk-len")
    text = (FILES / file).read_text(encoding="utf-8")
    [(hard, soft)] = re.findall(r"^client-output-buffer-limit normal (\d+)mb (\d+)mb \d+$", text, re.M)
    # The allocator rounds up by a fifth at most.
    assert int(largest.removesuffix("mb")) * 1.25 < int(soft) < int(hard)
