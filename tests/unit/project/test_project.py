"""Pulumi.yaml and Pulumi.<stack>.yaml, read as the CLI reads them."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

from filewallball.errors import ConfigError
from filewallball.project import crypter, load_project, load_stack

PROJECT = """
name: shop
runtime: python
config:
  shop:size: {type: integer, default: 3}
  zones: {type: array, items: {type: string}, default: [a, b]}
  debug: {type: boolean, default: false}
  password: {type: string, secret: true, default: x}
  "aws:region": eu-west-1
"""


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "Pulumi.yaml").write_text(PROJECT)
    (tmp_path / "__main__.py").write_text("")
    return tmp_path


def values(folder: Path, stack: str, text: str) -> dict[str, str]:
    (folder / f"Pulumi.{stack}.yaml").write_text(text)
    return load_stack(load_project(folder), stack).values


def test_defaults_and_values_as_text(folder: Path) -> None:
    found = values(folder, "dev", "config:\n  shop:size: 5\n  shop:when: 2024-01-01\n  shop:on: yes\n")
    assert found == {
        "shop:size": "5",
        "shop:zones": '["a", "b"]',
        "shop:debug": "false",
        "shop:password": "x",
        "aws:region": "eu-west-1",
        "shop:when": "2024-01-01",
        "shop:on": "yes",
    }


def test_structured_values_are_json(folder: Path) -> None:
    found = values(folder, "dev", "config:\n  shop:db: {host: a, ports: [1, 2], tls: true}\n")
    assert json.loads(found["shop:db"]) == {"host": "a", "ports": [1, 2], "tls": True}


def test_an_empty_stack_file_is_a_stack(folder: Path) -> None:
    assert values(folder, "dev", "")["shop:size"] == "3"


def test_all_faults_are_told_at_once(folder: Path) -> None:
    (folder / "Pulumi.yaml").write_text(PROJECT + "  needed: {type: string}\n")
    with pytest.raises(ConfigError) as caught:
        values(folder, "dev", "config:\n  shop:size: many\n  shop:zones: [1]\n  shop:debug: 1\n")
    assert str(caught.value).splitlines() == [
        "Pulumi.dev.yaml is wrong:",
        '  shop:size = "many": is a string, and must be of type integer; write a whole number',
        "  shop:zones = [1]: item 0 is an integer, and must be of type string; write a list such as [a, b]",
        '  shop:debug = "1": is an integer, and must be of type boolean; write true or false',
        "  shop:needed: is missing; set it with a value of type string",
        "  Correct Pulumi.dev.yaml. Pulumi.yaml says what each key must be.",
    ]


def test_an_unknown_stack_lists_the_stacks(folder: Path) -> None:
    (folder / "Pulumi.prd.yaml").write_text("")
    with pytest.raises(ConfigError, match=r"no stack 'dev'\n  Stacks of shop: prd\."):
        load_stack(load_project(folder), "dev")
    with pytest.raises(ConfigError, match="no stack"):
        load_stack(load_project(folder), "../../etc")


def test_broken_files_are_named(folder: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"Pulumi.dev.yaml, line 2 is not valid YAML"):
        values(folder, "dev", "config:\n  a: ]\n  b: 1\n")
    with pytest.raises(ConfigError, match=r"has no Pulumi\.yaml"):
        load_project(tmp_path / "elsewhere")


@pytest.fixture
def sealed(monkeypatch: pytest.MonkeyPatch) -> tuple[str, str]:
    """A salt state and a sealed value in Pulumi's format, with few rounds to be quick."""
    monkeypatch.setattr(crypter, "ROUNDS", 10)
    salt = os.urandom(8)
    cipher = AESGCM(hashlib.pbkdf2_hmac("sha256", b"open sesame", salt, 10, 32))

    def seal(text: str) -> str:
        nonce = os.urandom(12)
        sealed = cipher.encrypt(nonce, text.encode(), None)
        return f"v1:{base64.b64encode(nonce).decode()}:{base64.b64encode(sealed).decode()}"

    return f"v1:{base64.b64encode(salt).decode()}:{seal('pulumi')}", seal("tell nobody")


def test_secure_values_are_opened(
    folder: Path, sealed: tuple[str, str], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    state, value = sealed
    secure = f"{{secure: '{value}'}}"
    text = f"encryptionsalt: {state}\nconfig:\n  shop:a: {secure}\n  shop:b: {{c: [{secure}]}}\n"
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "open sesame")
    (folder / "Pulumi.dev.yaml").write_text(text)
    found = load_stack(load_project(folder), "dev")
    assert found.values["shop:a"] == "tell nobody"
    assert json.loads(found.values["shop:b"]) == {"c": ["tell nobody"]}
    assert found.secret_keys == ["shop:a", "shop:b", "shop:password"]

    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    (tmp_path / "phrase").write_text("open sesame\n")
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE_FILE", str(tmp_path / "phrase"))
    assert load_stack(load_project(folder), "dev").values["shop:a"] == "tell nobody"


def test_a_wrong_or_missing_passphrase_is_said(
    folder: Path, sealed: tuple[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    text = f"encryptionsalt: {sealed[0]}\nconfig:\n  shop:a: {{secure: '{sealed[1]}'}}\n"
    monkeypatch.setenv("PULUMI_CONFIG_PASSPHRASE", "wrong")
    with pytest.raises(ConfigError, match="does not open this stack's secrets"):
        values(folder, "dev", text)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE")
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    with pytest.raises(ConfigError, match="no passphrase is set"):
        values(folder, "dev", text)
    with pytest.raises(ConfigError, match="no encryptionsalt"):
        values(folder, "dev", "config:\n  shop:a: {secure: v1:x:y}\n")


def test_the_key_of_pulumis_own_test_vector() -> None:
    """From pkg/secrets/passphrase/manager_test.go of pulumi/pulumi: the passphrase is `password`."""
    state = "v1:fozI5u6B030=:v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ=="
    opened = crypter.Decrypter(state, b"password")
    assert opened.decrypt("v1:F+6ZduKKd8G0/V7L:PGMFeIzwobWRKmEAzUdaQHqC5mMRIQ==") == "pulumi"


def test_values_that_nothing_here_can_open_get_stand_ins_where_that_will_do(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE", raising=False)
    monkeypatch.delenv("PULUMI_CONFIG_PASSPHRASE_FILE", raising=False)
    (tmp_path / "Pulumi.yaml").write_text("name: shop\nruntime: python\n")
    (tmp_path / "__main__.py").touch()
    text = "config: {{shop:a: {{secure: '{}'}}, shop:b: {{secure: 'v1:b:b'}}}}\nsecretsprovider: awskms://alias/x\n"
    (tmp_path / "Pulumi.dev.yaml").write_text(text.format("v1:a:a"))
    project = load_project(tmp_path)
    with pytest.raises(ConfigError, match="keeps its secrets with awskms"):
        load_stack(project, "dev")
    found = load_stack(project, "dev", sealed=True)
    assert found.sealed
    assert found.values["shop:a"] in found.secrets
    assert "v1:" not in str(found.values)
    (tmp_path / "Pulumi.dev.yaml").write_text(text.format("v1:c:c"))
    again = load_stack(project, "dev", sealed=True)
    assert again.values["shop:a"] != found.values["shop:a"]
    assert again.values["shop:b"] == found.values["shop:b"]
