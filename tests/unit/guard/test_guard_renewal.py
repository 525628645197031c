"""A renewed certificate is loaded once, and again whenever that isn't known to have worked."""

from __future__ import annotations

from pathlib import Path

import pytest
from redis.exceptions import ResponseError

from facts.tls import FILES
from filewallball.guard import renewal
from filewallball.guard.renewal import Renewal


class Server:
    def __init__(self) -> None:
        self.calls: list[tuple[object, ...]] = []
        self.refuses = False

    def call(self, *words: object) -> str:
        self.calls.append(words)
        if self.refuses:
            raise ResponseError("Unable to update TLS configuration")
        return "OK"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(renewal, "LOOK_SECONDS", 0.0)
    write(tmp_path, "first")
    return tmp_path


def write(folder: Path, text: str) -> None:
    for name in FILES:
        (folder / name).write_text(text, encoding="utf-8")


def test_all_three_files_go_in_one_command_by_the_paths_of_the_pod(folder: Path) -> None:
    server, said = Server(), list[str]()
    looking = Renewal("redis", folder, server.call, said.append)
    looking.look()
    looking.look()
    assert server.calls == [
        (
            "CONFIG SET", "tls-cert-file", "/tls/redis/tls.crt", "tls-key-file", "/tls/redis/tls.key",
            "tls-ca-cert-file", "/tls/redis/ca.crt",
        )
    ]  # fmt: skip
    assert said == []
    write(folder, "second")
    looking.look()
    looking.look()
    assert len(server.calls) == 2
    assert said == ["redis: the server has loaded a renewed certificate"]


def test_a_server_that_has_restarted_is_told_again(folder: Path) -> None:
    server = Server()
    looking = Renewal("redis", folder, server.call, lambda _: None)
    looking.look()
    looking.forget()
    looking.look()
    assert len(server.calls) == 2


def test_one_that_refuses_is_asked_again(folder: Path) -> None:
    server, said = Server(), list[str]()
    looking = Renewal("redis", folder, server.call, said.append)
    server.refuses = True
    looking.look()
    server.refuses = False
    looking.look()
    looking.look()
    assert len(server.calls) == 2
    assert "can't be loaded: Unable to update" in said[0]


def test_files_that_are_missing_are_told(folder: Path) -> None:
    server, said = Server(), list[str]()
    (folder / "tls.key").unlink()
    Renewal("redis", folder, server.call, said.append).look()
    assert server.calls == []
    assert "tls.key" in said[0]
