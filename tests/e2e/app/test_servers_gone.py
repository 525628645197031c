"""With a server behind it gone or frozen, the application does what it can, and says the rest at once."""

from __future__ import annotations

import signal
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from app_lab import App, Lab, Process, Visitor

Visitors = Callable[[], Visitor]
MOST_SECONDS = 12.0
"""No answer may take so long, whatever is gone."""
HTML = {"Accept": "text/html"}


@contextmanager
def gone(lab: Lab, app: App, process: Process, how: str) -> Iterator[None]:
    """Without the server, until the block ends; then until the application knows that it is back."""
    if how == "frozen":
        process.send(signal.SIGSTOP)
    else:
        process.stop()
    try:
        yield
    finally:
        if how == "frozen":
            process.send(signal.SIGCONT)
        else:
            process.start()

        def back() -> bool:
            wall = httpx.get(f"{app.site}/api/v1/wall", params={"q": "x"})
            nobody = httpx.get(f"{app.site}/api/v1/session", cookies={"session": f"1.{'a' * 43}"})
            return (wall.status_code, nobody.status_code) == (200, 401)

        lab.until(back)


def quick(user: Visitor, method: str, path: str, **options: Any) -> httpx.Response:
    answer = user.request(method, path, timeout=MOST_SECONDS, **options)
    assert answer.status_code < 500 or answer.status_code == 503
    if answer.status_code == 503:
        assert int(answer.headers["retry-after"]) > 0
    return answer


@pytest.mark.parametrize("how", ["gone", "frozen"])
def test_without_the_cache_everything_works(how: str, app: App, lab: Lab, visitor: Visitors) -> None:
    user = visitor().sign_up()
    before = user.upload(b"before", shared="true")
    with gone(lab, app, lab.cache, how):
        after = user.upload(b"after")
        assert quick(user, "GET", f"/api/v1/files/{before['id']}").json()["size"] == 6
        assert quick(user, "GET", f"/api/v1/files/{after['id']}/content").content == b"after"
        changed = quick(user, "PATCH", f"/api/v1/files/{before['id']}", json={"shared": False})
        assert changed.json()["shared"] is False
        assert quick(user, "POST", "/api/v1/posts", json={"title": "a", "content": "b"}).status_code == 201
        assert quick(user, "GET", "/", headers=HTML).status_code == 200
        assert visitor().log_in(user.email).user == user.user
        guesses = [
            visitor().post("/api/v1/session", json={"email": "a@example.test", "password": "wrong"})
            for _ in range(6)
        ]
        assert guesses[-1].status_code == 429, "the server counts by itself"
        assert visitor().get(f"/api/v1/files/{before['id']}").status_code == 404
    # What the cache could not be told while it was frozen, it is told now.
    lab.until(lambda: visitor().get(f"/api/v1/files/{before['id']}").status_code == 404)
    assert lab.until(lambda: user.get(f"/api/v1/files/{before['id']}").json()["shared"] is False)


def test_without_the_sessions_what_needs_none_works(app: App, lab: Lab, visitor: Visitors) -> None:
    user = visitor().sign_up()
    shared = user.upload(b"shared", shared="true")
    with gone(lab, app, lab.sessions, "gone"):
        assert quick(user, "GET", f"/files/{shared['id']}/download").content == b"shared"
        page = quick(user, "GET", "/", headers=HTML)
        assert (page.status_code, "be checked right now." in page.text) == (200, True)
        assert quick(user, "GET", "/api/v1/files").status_code == 503
        assert quick(user, "GET", "/files", headers=HTML).status_code == 503
        assert quick(visitor(), "GET", "/login", headers=HTML).status_code == 200
        assert quick(user, "POST", "/api/v1/files?name=a", content=b"x").status_code == 503


@pytest.mark.parametrize("how", ["gone", "frozen"])
def test_without_the_database_what_is_cached_is_read(how: str, app: App, lab: Lab, visitor: Visitors) -> None:
    user = visitor().sign_up()
    made = user.upload(b"data", shared="true")
    user.get("/")
    cold = user.upload(b"cold")
    lab.redis("cache").delete(f"file:meta:{cold['id']}")
    with gone(lab, app, lab.database, how):
        assert quick(user, "GET", f"/api/v1/files/{cold['id']}").status_code == 503
        assert quick(user, "GET", f"/api/v1/files/{made['id']}").json()["name"] == made["name"]
        assert quick(user, "GET", f"/api/v1/files/{made['id']}/content").content == b"data"
        assert quick(user, "GET", "/", headers=HTML).status_code == 200
        assert quick(user, "GET", "/api/v1/session").json()["user"] == user.user
        assert quick(user, "GET", "/api/v1/files").status_code == 503
        assert quick(user, "POST", "/api/v1/posts", json={"title": "a", "content": "b"}).status_code == 503
        assert (
            quick(
                visitor(), "POST", "/api/v1/session", json={"email": "a@b.test", "password": "x"}
            ).status_code
            == 503
        )
        assert quick(user, "GET", "/readyz").status_code == 200, "or all servers would leave at once"
    assert user.get("/api/v1/files").status_code == 200


@pytest.mark.nightly
def test_without_the_store_the_rest_works(lab: Lab, visitor: Visitors) -> None:
    """Another server, whose store is nowhere."""
    alone = lab.app("app-no-store", APP_FILES_ENDPOINT="http://127.0.0.1:9")
    user = visitor().sign_up()
    with Visitor(alone.site, headers=user.headers, cookies=user.cookies) as there:
        assert quick(there, "POST", "/api/v1/files?name=a", content=b"x").status_code == 503
        assert quick(there, "GET", "/api/v1/files").json() == []
        assert quick(there, "GET", "/", headers=HTML).status_code == 200
    alone.stop()
    assert "deleting" in lab.rows().values(), "the sweep finishes it later"
