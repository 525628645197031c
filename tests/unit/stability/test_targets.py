"""What names a target, and each way to get it wrong: said with the place where it is written."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from filewallball import redact
from filewallball.errors import ConfigError
from filewallball.snapshots.settings import Address
from filewallball.stability import in_stack, targets
from filewallball.stability.local import Local


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    nodes = ["10.0.0.1:7001", "[::1]:7002", "redis-1.example:7003"]
    write(tmp_path, {"redis_nodes": {"dev": {"nodes": nodes}, "prd": {"nodes": []}}})
    return tmp_path


def write(folder: Path, document: Any) -> None:
    (folder / "config.json").write_text(document if isinstance(document, str) else json.dumps(document))


def read(text: str, folder: Path, **environment: str) -> targets.Target:
    return targets.read(text, folder, Local.read(folder, environment))


def test_nodes_of_an_environment(folder: Path) -> None:
    found = read("dev", folder)
    assert found.nodes == (Address("10.0.0.1", 7001), Address("::1", 7002), Address("redis-1.example", 7003))
    assert str(found.nodes[1]) == "[::1]:7002"
    assert found.access == targets.Access()


def test_the_shape_of_the_requirements(tmp_path: Path) -> None:
    write(tmp_path, {"redis_nodes": {
        "local": {"nodes": ["10.101.99.145:7001"]},
        "dev": {"nodes": ["10.101.91.145:7001"]},
        "prd": {"nodes": ["10.101.99.20:6400"]},
    }})  # fmt: skip
    assert read("prd", tmp_path).nodes == (Address("10.101.99.20", 6400),)


@pytest.mark.parametrize(
    ("document", "said"),
    [
        ("", "config.json is not JSON: line 1"),
        ('{"redis_nodes": {"dev": {"nodes": ["a:1",]}}}', "line 1, column 42"),
        ("[" * 100_000, "nested too deeply"),
        ([], "no object redis_nodes"),
        ({"redis_node": {}}, "no object redis_nodes"),
        ({"redis_nodes": []}, "no object redis_nodes"),
        ({"redis_nodes": {"deb": {"nodes": ["a:1"]}}}, "Did you mean deb?"),
        ('{"redis_nodes": {"dev": {"nodes": ["a:1"]}, "dev": {"nodes": ["b:1"]}}}', "the key dev twice"),
        ({"redis_nodes": {"dev": ["a:1"]}}, "redis_nodes.dev is"),
        ({"redis_nodes": {"dev": {}}}, "redis_nodes.dev.nodes is null"),
        ({"redis_nodes": {"dev": {"nodes": []}}}, "redis_nodes.dev.nodes is []"),
        ({"redis_nodes": {"dev": {"nodes": "a:1"}}}, 'redis_nodes.dev.nodes is "a:1"'),
        ({"redis_nodes": {"dev": {"nodes": [{"host": "a"}]}}}, "redis_nodes.dev.nodes[0] is"),
        ({"redis_nodes": {"dev": {"nodes": ["a:1", "b"]}}}, "redis_nodes.dev.nodes[1]: 'b'"),
        ({"redis_nodes": {"dev": {"nodes": ["a:0"]}}}, "'0' in 'a:0' is not a port"),
        ({"redis_nodes": {"dev": {"nodes": ["a:65536"]}}}, "is not a port (1 to 65535)"),
        ({"redis_nodes": {"dev": {"nodes": ["a:٣"]}}}, "is not a port"),
        ({"redis_nodes": {"dev": {"nodes": [":6379"]}}}, "is not an address"),
        ({"redis_nodes": {"dev": {"nodes": ["redis://a:6379"]}}}, "is not an address"),
        ({"redis_nodes": {"dev": {"nodes": ["::1:6379"]}}}, '"[::1]:6379"'),
        ({"redis_nodes": {"dev": {"nodes": ["a b:6379"]}}}, "is not an address"),
        ({"redis_nodes": {"dev": {"nodes": ["10.0.0.1:7001", ...]}}}, "nodes[1]"),
        ({"redis_nodes": {"dev": {"nodes": ["a:1", "a:1"]}}}, "a:1 twice"),
        ({"redis_nodes": {"dev": {"nodes": ["a:1"], "password": "x"}}}, ".env.local"),
    ],
)
def test_a_wrong_file_is_refused_with_its_path(tmp_path: Path, document: Any, said: str) -> None:
    text = document if isinstance(document, str) else json.dumps(document, default=lambda _: None)
    write(tmp_path, text)
    with pytest.raises(ConfigError) as error:
        read("dev", tmp_path)
    assert said in str(error.value)
    assert str(tmp_path / "config.json") in str(error.value)


def test_a_missing_file_and_one_that_is_no_text(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"There is no .*config\.json"):
        read("dev", tmp_path)
    (tmp_path / "config.json").write_bytes(b'{"\xff')
    with pytest.raises(ConfigError, match="not UTF-8"):
        read("dev", tmp_path)


def test_only_the_environment_that_is_asked_for_must_be_right(folder: Path) -> None:
    assert read("dev", folder)
    with pytest.raises(ConfigError, match=r"redis_nodes\.prd\.nodes is \[\]"):
        read("prd", folder)


def test_passwords_and_certificates_are_in_the_local_file(folder: Path) -> None:
    (folder / "ca.crt").write_text("-")
    (folder / "pw").write_text("of the file\n")
    (folder / ".env.local").write_text(
        "# of mine\nexport REDIS_USERNAME_DEV=admin\nREDIS_PASSWORD_DEV='s e#cret'\n"
        "REDIS_CA_FILE_DEV=ca.crt\n"
        'REDIS_SENTINEL_PASSWORD_DEV="other"\nREDIS_MASTER_DEV=mymaster\nREDIS_PASSWORD_PRD=not-mine\n'
    )
    access = read("dev", folder).access
    assert access == targets.Access(
        username="admin", password="s e#cret", sentinel_password="other", tls=True,
        ca_file=str(folder / "ca.crt"), master="mymaster",
    )  # fmt: skip
    assert "s e#cret" not in repr(access)
    assert redact.KNOWN.text("it is s e#cret") == "it is [secret]"
    (folder / ".env.local").write_text("REDIS_PASSWORD_FILE_DEV=pw\n")
    assert read("dev", folder).access.password == "of the file"
    assert read("dev", folder, REDIS_PASSWORD_DEV="given").access.password == "given"


@pytest.mark.parametrize(
    ("variables", "said"),
    [
        ({"REDIS_TLS_DEV": "maybe"}, "REDIS_TLS_DEV"),
        ({"REDIS_CA_FILE_DEV": "none.crt"}, "none.crt is not a file"),
        ({"REDIS_CERT_FILE_DEV": "config.json"}, "REDIS_KEY_FILE_DEV"),
        ({"REDIS_TLS_DEV": "false", "REDIS_CA_FILE_DEV": "config.json"}, "there is a certificate"),
        ({"REDIS_PASSWORD_FILE_DEV": "empty"}, "empty"),
    ],
)
def test_a_wrong_variable_is_named(folder: Path, variables: dict[str, str], said: str) -> None:
    (folder / "empty").touch()
    with pytest.raises(ConfigError) as error:
        read("dev", folder, **variables)
    assert said in str(error.value)
    assert ".env.local" in str(error.value)


@pytest.mark.parametrize("line", ["REDIS_PASSWORD_DEV", 'A="unended', "= x", "what is this"])
def test_a_line_that_is_no_variable_is_refused_with_its_number(folder: Path, line: str) -> None:
    (folder / ".env.local").write_text(f"A=1\n{line}\n")
    with pytest.raises(ConfigError, match=r"\.env\.local, line 2"):
        read("dev", folder)


def test_urls(tmp_path: Path) -> None:
    found = read("rediss://me:p%40ss@[::1]:7000", tmp_path)
    assert (found.nodes, found.name) == ((Address("::1", 7000),), "url")
    assert found.access == targets.Access(username="me", password="p@ss", tls=True)
    assert "p%40ss" not in str(found) + found.source
    assert read("redis://a", tmp_path).nodes == (Address("a", 6379),)
    assert read("redis://a", tmp_path, REDIS_PASSWORD_URL="x").access.password == "x"


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("http://a:1", "is not the URL of a server"),
        ("redis://", "is not the URL of a server"),
        ("redis://a:b", "is not a URL"),
        ("redis://a:99999", "is not a URL"),
        ("redis://a:1/3", "something behind the port"),
        ("redis://a?ssl=1", "something behind the port"),
        ("redis://u:secret@[a:1", "is not a URL"),
    ],
)
def test_wrong_urls_are_refused_and_no_password_is_told(tmp_path: Path, url: str, said: str) -> None:
    with pytest.raises(ConfigError) as error:
        read(url, tmp_path)
    assert said in str(error.value)
    assert "secret" not in str(error.value)


def test_parts_of_a_stack() -> None:
    assert in_stack.split("dev:redis") == ("dev", "redis")
    assert in_stack.split("dev") is None
    assert in_stack.split("redis://a:1") is None
    with pytest.raises(ConfigError, match=r"no mariadb[\s\S]*dev:redis or dev:valkey"):
        in_stack.split("dev:mariadb")


def test_the_bucket(tmp_path: Path) -> None:
    local = Local.read(tmp_path, {"S3_URI": "s3://bucket/a/b/", "AWS_PROFILE": "mine"})
    bucket = local.bucket()
    assert (bucket.name, bucket.prefix, bucket.profile) == ("bucket", "a/b", "mine")
    for uri in ("bucket/a", "s3:///a", "https://s3/a", "s3://b/a?x=1"):
        with pytest.raises(ConfigError, match="S3_URI"):
            Local.read(tmp_path, {"S3_URI": uri}).bucket()
    with pytest.raises(ConfigError, match=r"S3_URI[\s\S]*\.env\.example"):
        Local.read(tmp_path, {}).bucket()


def test_the_files_of_the_repository_can_be_read(tmp_path: Path) -> None:
    root = Path(__file__).parents[3]
    assert len(targets.read("local", root, Local.read(tmp_path, {})).nodes) == 6
    (tmp_path / ".env.local").write_text((root / ".env.example").read_text(encoding="utf-8"))
    assert Local.read(tmp_path, {}).bucket().name == "your-bucket-name"
