"""Asking a registry for digests and pushing to it, with every way in that registries have."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path

import pytest
from fake_registry import serving, write_config

from filewallball.errors import ConfigError
from filewallball.registry import Reference, Registry, RegistryError


@pytest.fixture(autouse=True)
def docker(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No credentials but those that a test writes."""
    monkeypatch.setenv("DOCKER_CONFIG", str(tmp_path))
    return tmp_path


def auth(user: str, password: str) -> str:
    return base64.b64encode(f"{user}:{password}".encode()).decode()


def ask(reference: str) -> str:
    image = Reference.parse(reference)
    with Registry(image) as registry:
        return registry.digest(image.tag)


@pytest.mark.parametrize(
    ("text", "registry", "repository", "tag"),
    [
        ("redis:7", "docker.io", "library/redis", "7"),
        ("docker.io/library/redis:7", "docker.io", "library/redis", "7"),
        ("valkey/valkey:8.1", "docker.io", "valkey/valkey", "8.1"),
        ("localhost/x:1", "localhost", "x", "1"),
        ("registry.example:5000/a/b:1", "registry.example:5000", "a/b", "1"),
        ("ghcr.io/team/app", "ghcr.io", "team/app", ""),
    ],
)
def test_references_are_read_as_container_tools_do(
    text: str, registry: str, repository: str, tag: str
) -> None:
    found = Reference.parse(text)
    assert (found.registry, found.repository, found.tag) == (registry, repository, tag)
    assert found.host == ("registry-1.docker.io" if registry == "docker.io" else registry)


@pytest.mark.parametrize("text", ["", "Upper/x:1", "a b", "ghcr.io/", "ghcr.io/x:a b", "-x/y.z/a"])
def test_what_is_none_is_refused(text: str) -> None:
    with pytest.raises(ConfigError, match="not the reference of an image"):
        Reference.parse(text)


@pytest.mark.parametrize("tells_digest", [True, False])
def test_a_tag_is_resolved(tells_digest: bool) -> None:
    with serving(tells_digest=tells_digest) as registry:
        digest = registry.put("team/app", "1", '{"x": 1}')
        assert ask(f"{registry.name}/team/app:1") == digest


def test_with_a_token_for_anybody() -> None:
    with serving(log_in="token") as registry:
        digest = registry.put("team/app", "1")
        assert ask(f"{registry.name}/team/app:1") == digest
        assert registry.scopes == ["repository:x:pull"]


@pytest.mark.parametrize("log_in", ["token", "basic"])
def test_with_what_docker_login_has_left(docker: Path, log_in: str) -> None:
    with serving(log_in=log_in, users={"kim": "se:cret"}) as registry:
        digest = registry.put("team/app", "1")
        with pytest.raises(RegistryError, match="says 401 about") as raised:
            ask(f"{registry.name}/team/app:1")
        assert f"docker login {registry.name}" in raised.value.hint
        write_config(docker, auths={registry.name: {"auth": auth("kim", "se:cret")}})
        assert ask(f"{registry.name}/team/app:1") == digest
        write_config(docker, auths={registry.name: {"auth": auth("kim", "wrong")}})
        with pytest.raises(RegistryError, match="401"):
            ask(f"{registry.name}/team/app:1")


def test_with_an_identity_token(docker: Path) -> None:
    with serving(log_in="token", users={"kim": "x"}) as registry:
        registry.put("team/app", "1")
        write_config(docker, auths={f"https://{registry.name}": {"identitytoken": "refresh"}})
        assert ask(f"{registry.name}/team/app:1")


@pytest.mark.parametrize("key", ["credHelpers", "credsStore"])
def test_with_a_helper(docker: Path, key: str, monkeypatch: pytest.MonkeyPatch) -> None:
    with serving(log_in="basic", users={"AWS": "token"}) as registry:
        registry.put("team/app", "1")
        helper = docker / "docker-credential-fake"
        helper.write_text(
            f'#!/bin/sh\nread name\n[ "$name" = {registry.name} ] || exit 1\n'
            'echo \'{"Username": "AWS", "Secret": "token"}\'\n'
        )
        helper.chmod(0o755)
        monkeypatch.setenv("PATH", str(docker), prepend=":")
        write_config(docker, **{key: {registry.name: "fake"} if key == "credHelpers" else "fake"})
        assert ask(f"{registry.name}/team/app:1")
        write_config(docker, credHelpers={registry.name: "missing"})
        with pytest.raises(ConfigError, match="docker-credential-missing"):
            ask(f"{registry.name}/team/app:1")


def test_a_broken_configuration_is_named(docker: Path) -> None:
    (docker / "config.json").write_text("{")
    with serving(log_in="token") as registry, pytest.raises(ConfigError, match=r"config\.json can't be read"):
        ask(f"{registry.name}/team/app:1")


@pytest.mark.parametrize(
    ("status", "hint"),
    [(404, "no such image"), (403, "docker login"), (429, "Too many requests"), (500, "try again later")],
)
def test_refusals_say_what_to_do(status: int, hint: str) -> None:
    with (
        serving(status=status) as registry,
        pytest.raises(RegistryError, match=f"{status} .*: as told") as raised,
    ):
        ask(f"{registry.name}/team/app:1")
    assert hint in raised.value.hint


def test_one_that_does_not_answer_is_named() -> None:
    with serving() as registry:
        gone = registry.name
    with pytest.raises(RegistryError, match=f"The registry {gone} can't be reached") as raised:
        ask(f"{gone}/team/app:1")
    assert "HTTPS_PROXY" in raised.value.hint


@pytest.mark.parametrize("log_in", ["none", "token"])
def test_what_is_pushed_is_there_and_sent_once(tmp_path: Path, log_in: str) -> None:
    layer = tmp_path / "layer"
    layer.write_bytes(bytes(3 * 2**20))
    name = f"sha256:{hashlib.sha256(layer.read_bytes()).hexdigest()}"
    with serving(log_in=log_in) as fake:
        image = Reference.parse(f"{fake.name}/team/app:1")
        with Registry(image, push=True) as registry:
            assert registry.push_blob(name, layer)
            assert not registry.push_blob(name, layer)
            digest = registry.push_manifest("1", {"layers": [name]})["digest"]
        assert fake.blobs[name] == layer.read_bytes()
        assert ask(str(image)) == digest
