"""The passwords of a mounted Secret, and users that get them."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pytest

from filewallball.guard.passwords import Login, Secret, give


def digest(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def mounted(folder: Path, **texts: str) -> Path:
    folder.mkdir(exist_ok=True)
    for name, text in texts.items():
        (folder / name.replace("_", "-")).write_text(text)
    return folder


def test_one_password_is_accepted_and_while_they_change_two(tmp_path: Path) -> None:
    secret = Secret(mounted(tmp_path, app_password="one\n"))
    assert secret.accepted("app") == {"app": {digest("one")}}
    mounted(tmp_path, app_password_other="two")
    assert secret.accepted("app") == {"app": {digest("one"), digest("two")}}
    assert Login(secret, "app").get_credentials() == ("app", "one")


def test_what_the_kubelet_replaces_meanwhile_is_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Never one file of before and one of after: with both the old, say, the new would be refused."""
    before = mounted(tmp_path / "..1", app_password="old", app_password_other="new")
    after = mounted(tmp_path / "..2", app_password="new", app_password_other="old")
    (tmp_path / "..data").symlink_to(before.name)
    secret, read = Secret(tmp_path), Path.read_text

    def replace_after_the_first(path: Path, *words: Any, **more: Any) -> str:
        text = read(path, *words, **more)
        if path == before / "app-password":
            (tmp_path / "..data").unlink()
            (tmp_path / "..data").symlink_to(after.name)
            (before / "app-password-other").unlink()
        return text

    monkeypatch.setattr(Path, "read_text", replace_after_the_first)
    assert secret.accepted("app") == {"app": {digest("old"), digest("new")}}


def test_a_missing_file_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(OSError, match="app-password"):
        Secret(tmp_path).accepted("app")


class Server:
    """`users`: the hashes that it accepts."""

    def __init__(self, **users: set[str]) -> None:
        self.users = users
        self.said: list[tuple[str, ...]] = []

    def __call__(self, *words: str) -> Any:
        self.said.append(words)
        if words[:2] == ("ACL", "GETUSER"):
            return ["flags", ["on"], "passwords", sorted(self.users[words[2]]), "commands", "+@all"]
        for rule in words[3:]:
            change = {"#": self.users[words[2]].add, "!": self.users[words[2]].remove}[rule[0]]
            change(rule[1:])
        return "OK"


def test_users_get_what_they_lack_and_lose_what_is_over() -> None:
    server = Server(app={"a"}, checks={"c"})
    wanted = {"app": frozenset({"a", "b"}), "checks": frozenset({"c"})}
    assert give(server, wanted) == ["app"]
    assert server.users == {"app": {"a", "b"}, "checks": {"c"}}
    assert give(server, {"app": frozenset({"b"})}) == ["app"]
    assert server.users["app"] == {"b"}
    assert give(server, {"app": frozenset({"b"})}) == []


def test_a_user_never_loses_its_last_password() -> None:
    server = Server(app={"a"})
    assert give(server, {"app": frozenset()}) == []
    assert server.users["app"] == {"a"}


def test_the_new_one_comes_before_the_old_one_goes() -> None:
    server = Server(app={"a"})
    give(server, {"app": frozenset({"b"})})
    assert server.said[-1] == ("ACL", "SETUSER", "app", "#b", "!a")
