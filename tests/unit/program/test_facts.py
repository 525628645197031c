"""What is said in a file that isn't Python is what `facts` says."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
from program_run import DEV, ROOT, Rendered, run_program

from facts import app, mariadb, pods, redis, snapshots, store, valkey
from facts import checks as facts_of_checks
from facts.checks.backups import StoreTarget
from facts.units import memory_bytes, quantity_bytes

FILES = ROOT / "components" / "files"


def text(name: str) -> str:
    return (FILES / name).read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("file", "pattern", "expected"),
    [
        ("mariadb/my.cnf", r"(?m)^port = (\d+)", {mariadb.PORT}),
        ("redis/redis.conf", r"(?m)^port (\d+)", {redis.PORT}),
        ("valkey/valkey.conf", r"(?m)^port (\d+)", {valkey.PORT}),
        ("valkey/sentinel.conf", r"(?m)^(?:port|sentinel announce-port) (\d+)", {valkey.SENTINEL_PORT}),
        ("valkey/sentinel-probe.sh", r" -p (\d+)", {valkey.SENTINEL_PORT}),
        ("valkey/sentinel-start.sh", r"known-sentinel \S+ \S+ (\d+)", {valkey.SENTINEL_PORT}),
        ("valkey/sentinel-start.sh", r"(?:known-replica|monitor) \$master \S+ (\d+)", {valkey.PORT}),
        ("store/start.sh", r"--port :(\d+)", {store.PORT}),
    ],
)
def test_ports(file: str, pattern: str, expected: set[int]) -> None:
    assert {int(found) for found in re.findall(pattern, text(file))} == expected


def test_users() -> None:
    made = set(re.findall(r"CREATE USER IF NOT EXISTS '(\w+)'@'%'", text("mariadb/users.sql")))
    assert made == {mariadb.user(short) for short in mariadb.USERS}
    assert f"`{mariadb.DATABASE}`" in text("mariadb/users.sql")
    cache = set(re.findall(r"(?m)^user (\w+) on #", text("redis/users.acl")))
    assert cache == {*redis.USERS, "guard"}, "the guard's password is made in its pod"
    told = re.findall(r"#\$\{(\w+)\}", text("valkey/users.acl") + text("valkey/sentinel-users.acl"))
    assert set(told) == set(valkey.USERS)
    assert facts_of_checks.USER in redis.USERS
    assert facts_of_checks.USER in valkey.USERS


@pytest.mark.parametrize("path", [p for p in sorted(FILES.rglob("*")) if p.is_file()], ids=lambda p: p.name)
def test_paths(path: Path) -> None:
    known = {mariadb.CREDENTIALS, redis.CREDENTIALS, valkey.CREDENTIALS, store.CREDENTIALS}
    known |= {app.FILES_CREDENTIALS}
    words = path.read_text(encoding="utf-8")
    assert set(re.findall(rf"{pods.SECRETS_PATH}/([\w-]+)", words)) <= known
    assert set(re.findall(r"/etc/[\w-]+", words)) <= {pods.CONFIG_PATH}
    if path.parent.name == "valkey":
        assert set(re.findall(r"/run/[\w-]+", words)) <= {valkey.RUN_PATH}
    if path.parent.name == "snapshots":
        assert set(re.findall(r"/work(?:/[\w-]+)*", words)) <= {
            snapshots.THROWAWAY_PATH,
            f"{snapshots.THROWAWAY_PATH}/server",
        }


def scripts_of(container: dict[str, Any], data: dict[str, str]) -> str:
    """The scripts that a container runs, with those that they include."""
    command = container["command"][-1].rpartition("/")[2]
    found = data.get(command, "")
    return found + (data["common.sh"] if "common.sh" in found else "")


def test_every_variable_that_a_script_needs_is_set() -> None:
    dev: Rendered = run_program(DEV)
    data = {
        each.inputs["metadata"]["name"]: each.inputs["data"]
        for each in dev.objects
        if each.kind == "ConfigMap"
    }
    seen: set[str] = set()
    for _, template in dev.pod_templates():
        volumes = [each["configMap"]["name"] for each in template["spec"]["volumes"] if "configMap" in each]
        for container in template["spec"]["containers"]:
            needed = {
                variable
                for name in volumes
                for variable in re.findall(r"\bFWB_\w+|\bPOD_NAME\b", scripts_of(container, data[name]))
            }
            assert needed <= {each["name"] for each in container["env"]}, container["name"]
            seen |= needed
    names = {value for key, value in vars(valkey.Variables).items() if key.isupper()}
    assert names <= seen


def test_the_sections_are_found_in_order_and_each_has_a_name_of_its_own() -> None:
    assert list(facts_of_checks.kinds()) == [
        "redis",
        "mariadb",
        "valkey",
        "app",
        "balancer",
        "tls",
        "backup",
        "binlogs",
        "snapshots",
    ]


@pytest.mark.parametrize(
    ("endpoint", "expected"),
    [
        (None, []),
        ("http://store:7070", [("store", 7070)]),
        ("https://s3.example.org", [("s3.example.org", 443)]),
        ("http://s3.example.org/", [("s3.example.org", 80)]),
    ],
)
def test_the_address_of_a_store(endpoint: str | None, expected: list[tuple[str, int]]) -> None:
    assert list(StoreTarget(bucket="b", endpoint=endpoint).addresses()) == expected


def test_units() -> None:
    assert [quantity_bytes(one) for one in ("1Ki", "1.5G", "512Mi", "7", "1Kib", "")] == [
        1024, 1_500_000_000, 512 * 2**20, 7, None, None,
    ]  # fmt: skip
    assert [memory_bytes(one) for one in ("1kb", "1K", "256MB", "7", "1tb", "-1")] == [
        1024, 1000, 256 * 2**20, 7, None, None,
    ]  # fmt: skip
