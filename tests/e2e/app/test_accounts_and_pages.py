"""Accounts, sessions, pages, posts, and the administrators' site."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from app_lab import PASSWORD, App, Lab, Visitor

Visitors = Callable[[], Visitor]
HTML = {"Accept": "text/html", "Accept-Language": "ko"}


@pytest.fixture
def admin(app: App, lab: Lab, visitor: Visitors) -> Iterator[Visitor]:
    user = visitor().sign_up("관리자")
    done = lab.run("make-admin", user.email)
    assert (done.returncode, done.stderr) == (0, "")
    with Visitor(app.admin) as found:
        yield found.log_in(user.email)


def token_of(page: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', page)
    assert found
    return found[1]


def test_pages_work_without_javascript(app: App, visitor: Visitors) -> None:
    with Visitor(app.site, headers=HTML, follow_redirects=True) as user:
        assert "담벼락" in user.get("/").text
        assert user.get("/files").url.path == "/login"
        form = {"csrf": token_of(user.get("/signup").text), "name": "<b>길동</b>", "email": user.email}
        again = user.post("/signup", data={**form, "password": "short"})
        assert (again.status_code, "8자에서" in again.text, user.email in again.text) == (400, True, True)
        found = user.post("/signup", data={**form, "password": PASSWORD})
        assert found.url.path == "/files"
        assert "&lt;b&gt;길동&lt;/b&gt;" in found.text
        csrf = token_of(found.text)
        found = user.post(
            "/upload",
            data={"csrf": csrf, "shared": "1"},
            files={"file": ("사진.txt", b"hello", "text/plain")},
        )
        assert found.url.path == "/files"
        [path] = set(re.findall(r"/files/[0-9a-f-]{36}(?=\")", found.text))
        assert user.get(f"{path}/download").content == b"hello"
        assert "사진.txt" in user.get("/").text
        found = user.post(f"{path}/change", data={"csrf": csrf, "name": "renamed.txt"})
        assert "renamed.txt" in found.text
        assert visitor().get(path).status_code == 404, "the box was not ticked any more"
        found = user.post("/posts", data={"csrf": csrf, "title": "제목", "content": "줄\n<i>둘</i>"})
        assert "&lt;i&gt;둘&lt;/i&gt;" in found.text
        post = found.url.path
        other = visitor().sign_up("이웃")
        other.post(f"/api/v1{post}/comments", json={"content": "댓글"}).raise_for_status()
        assert "<b>1</b>" in user.get("/").text
        assert "이웃: 제목" in user.get("/notifications").text
        assert "<b>1</b>" not in user.get("/").text
        assert user.post(f"{path}/delete", data={"csrf": csrf}).url.path == "/files"
        assert user.get(path).status_code == 404
        found = user.get("/account")
        assert user.email in found.text
        assert user.post("/logout", data={"csrf": csrf}).url.path == "/"
        assert user.get("/files").url.path == "/login"
        found = user.post(
            "/login",
            data={"csrf": token_of(user.get("/login").text), "email": user.email, "password": "wrong pass"},
        )
        assert (found.status_code, "맞지 않습니다" in found.text) == (400, True)


def test_the_language_is_the_browsers_or_the_switchs(app: App) -> None:
    with Visitor(app.site, headers={"Accept": "text/html"}, follow_redirects=True) as user:
        assert '<html lang="en">' in user.get("/").text
        assert '<html lang="ko">' in user.get("/", headers={"Accept-Language": "ko-KR"}).text
        found = user.get("/language/ko", params={"next": "/posts"})
        assert (found.url.path, '<html lang="ko">' in found.text) == ("/posts", True)
        assert user.get("/language/en", params={"next": "//evil.test"}).url.host == "127.0.0.1"
        missing = user.get("/nowhere", headers={"Accept-Language": "en"})
        assert (missing.status_code, "There is nothing here." in missing.text) == (404, True)


def test_sessions_begin_anew_and_end(visitor: Visitors, lab: Lab) -> None:
    user = visitor().sign_up()
    first = dict(user.cookies)
    user.log_in()
    assert dict(user.cookies) != first, "a log-in gives a new id"
    assert who(visitor(), first["session"]) == 401
    other = visitor().log_in(user.email)
    assert len(user.get("/api/v1/sessions").json()) == 2
    key = f"session:user:{user.user['id']}"
    store = lab.redis("sessions")
    assert 86000 < store.ttl(key) <= 86400
    assert all(value.split(".")[-1] not in store.get(key) for value in user.cookies.values())
    assert user.delete("/api/v1/sessions").status_code == 204
    assert other.get("/api/v1/session").status_code == 401
    assert user.delete("/api/v1/session").status_code == 204
    assert user.get("/api/v1/session").status_code == 401
    assert store.get(key) is None
    assert who(visitor(), "1.x") == 401


def test_a_change_needs_the_sessions_token(visitor: Visitors) -> None:
    user = visitor().sign_up()
    made = user.upload(b"x", shared="true")
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    del user.headers["X-CSRF-Token"]
    for method, path, options in (
        ("DELETE", f"/api/v1/files/{made['id']}", {}),
        ("DELETE", f"/api/v1/files/{made['id']}", {"headers": form}),
        ("POST", "/api/v1/files?name=a", {"content": b"x", "headers": form}),
        ("POST", "/api/v1/posts", {"json": {"title": "a", "content": "b"}}),
        ("POST", f"/files/{made['id']}/delete", {"data": {"csrf": "guessed"}}),
        ("POST", "/logout", {"data": {}}),
        ("POST", "/upload", {"data": {"csrf": "guessed"}, "files": {"file": ("a", b"x")}}),
        ("POST", "/login", {"data": {"email": user.email, "password": PASSWORD}}),
    ):
        assert user.request(method, path, **options).status_code == 403, path
    for headers in ({"Origin": "https://evil.test"}, {"Sec-Fetch-Site": "cross-site"}, {"Origin": "null"}):
        answer = user.post(
            "/api/v1/session", json={"email": user.email, "password": PASSWORD}, headers=headers
        )
        assert answer.status_code == 403, headers
    assert user.get(f"/api/v1/files/{made['id']}").status_code == 200


def test_guessing_a_password_is_slowed_down(visitor: Visitors) -> None:
    user, guesser = visitor().sign_up(), visitor()
    wrong = {"email": user.email, "password": "wrong password"}
    answers = [guesser.post("/api/v1/session", json=wrong) for _ in range(6)]
    assert [each.status_code for each in answers] == [400] * 5 + [429]
    assert answers[-1].headers["retry-after"] == "900"
    unknown = guesser.post("/api/v1/session", json={"email": "nobody@example.test", "password": "x" * 9})
    assert unknown.json() == answers[0].json(), "nobody learns who has an account"


def test_bad_accounts_are_refused_by_field_and_nothing_is_repeated(visitor: Visitors) -> None:
    user = visitor().sign_up()
    good = {"email": "new@example.test", "name": "a", "password": PASSWORD}
    for change, status, field in (
        ({"email": user.email.upper()}, 409, "email"),
        ({"email": "no address"}, 400, "email"),
        ({"name": "\u200b"}, 400, "name"),
        ({"password": "short"}, 400, "password"),
        ({"password": "NEW@example.test"}, 400, "password"),
        ({"password": "secret" * 1000}, 422, "password"),
        ({"password": None}, 422, "password"),
    ):
        answer = visitor().post("/api/v1/users", json={**good, **change})
        assert (answer.status_code, answer.json()["field"]) == (status, field)
        assert "secret" not in answer.text


def test_administrators_see_all_and_members_nothing(app: App, admin: Visitor, visitor: Visitors) -> None:
    member = visitor().sign_up("회원")
    made = member.upload(b"x", "member's.txt")
    with Visitor(app.admin, headers=member.headers, cookies=member.cookies) as tries:
        for path in ("/api/v1/users", "/api/v1/files", "/api/v1/sessions", "/api/v1/health", "/", "/users"):
            assert tries.get(path).status_code == 403, path
        assert tries.patch(f"/api/v1/users/{member.user['id']}", json={"role": "admin"}).status_code == 403
    assert visitor().get("/api/v1/health").status_code == 404, "the site knows nothing of it"
    for path in ("/", "/users", "/sessions", "/files"):
        page = admin.get(path, headers=HTML)
        assert (page.status_code, "관리" in page.text) == (200, True), path
    health = admin.get("/api/v1/health").json()
    assert health["servers"] == dict.fromkeys(("database", "cache", "sessions", "store"), True)
    assert made["id"] in [each["id"] for each in admin.get("/api/v1/files", params={"q": "member's"}).json()]
    assert member.email in [
        each["email"] for each in admin.get("/api/v1/users", params={"q": member.email}).json()
    ]

    assert admin.delete(f"/api/v1/files/{made['id']}").status_code == 204
    assert member.get(f"/api/v1/files/{made['id']}").status_code == 404
    assert [each["kind"] for each in member.get("/api/v1/notifications").json()] == ["notice_removed"]
    path = f"/api/v1/users/{member.user['id']}"
    assert admin.patch(path, json={"role": "king"}).json()["code"] == "no_such_role"
    assert admin.patch(f"/api/v1/users/{admin.user['id']}", json={"role": "member"}).status_code == 400
    assert admin.patch(path, json={"disabled": True}).json()["disabled"] is True
    assert member.get("/api/v1/session").status_code == 401, "its sessions are over"
    with pytest.raises(AssertionError, match="wrong_login"):
        visitor().log_in(member.email)
    admin.patch(path, json={"disabled": False, "role": "reader"}).raise_for_status()
    reader = visitor().log_in(member.email)
    assert reader.get("/api/v1/files").status_code == 200
    assert reader.post("/api/v1/files", params={"name": "a"}, content=b"x").json()["code"] == "not_allowed"
    assert 'action="/upload"' not in reader.get("/files", headers=HTML).text
    admin.patch(path, json={"role": "admin"}).raise_for_status()
    assert visitor().log_in(member.email).user["role"] == "admin"
    assert admin.delete(f"{path}/sessions").status_code == 204


def test_who_is_online_and_the_servers_own_paths(app: App, visitor: Visitors, lab: Lab) -> None:
    user = visitor().sign_up("접속자")
    lab.redis("cache").delete("online:users")
    assert user.user["id"] in [each["id"] for each in user.get("/api/v1/online").json()]
    answer = user.get("/api/v1/session", headers={"X-Request-Id": "trace-1"})
    assert answer.headers["x-request-id"] == "trace-1"
    assert re.fullmatch(
        r"[0-9a-f]{32}", user.get("/", headers={"X-Request-Id": "<bad>"}).headers["x-request-id"]
    )
    [line] = [each for each in app.lines() if each.get("request_id") == "trace-1"]
    assert (line["path"], line["status"], line["user"]) == ("/api/v1/session", 200, user.user["id"])
    assert PASSWORD not in app.log.read_text()
    for base in (app.site, app.admin):
        with Visitor(base) as machine:
            assert machine.get("/healthz").json() == {"status": "alive"}
            assert machine.get("/readyz").json() == {"status": "ready"}
            assert "filewallball_requests_total{" in machine.get("/metrics").text
            assert "/api/v1/files/{file}" in machine.get("/api/v1/openapi.json").json()["paths"]


def who(user: Visitor, cookie: str) -> int:
    user.cookies.set("session", cookie)
    return user.get("/api/v1/session").status_code
