"""The application over real servers: what users can do with files."""

from __future__ import annotations

import hashlib
import json
import socket
import uuid
from collections.abc import Callable, Iterator

from app_lab import App, Lab, Visitor

Visitors = Callable[[], Visitor]
MIB = 2**20


def raw(app: App, head: str, *lines: str) -> socket.socket:
    """A request whose body the caller sends."""
    found = socket.create_connection(("127.0.0.1", app.site_port), timeout=20)
    found.sendall("\r\n".join([head, "Host: localhost", *lines, "", ""]).encode())
    return found


def cookie(user: Visitor) -> str:
    return "Cookie: " + "; ".join(f"{name}={value}" for name, value in user.cookies.items())


def token(user: Visitor) -> str:
    return f"X-CSRF-Token: {user.headers['X-CSRF-Token']}"


def test_a_file_comes_back_bit_by_bit_and_in_parts(visitor: Visitors, lab: Lab) -> None:
    user, data = visitor().sign_up(), bytes(range(256)) * 100
    made = user.upload(data, '../보고서 "최종".txt')
    assert made["name"] == '보고서 "최종".txt'
    assert (made["size"], made["sha256"]) == (len(data), hashlib.sha256(data).hexdigest())
    assert made["id"] in lab.objects()
    path = f"/api/v1/files/{made['id']}/content"
    whole = user.get(path)
    assert whole.content == data
    assert whole.headers["accept-ranges"] == "bytes"
    assert "filename*=UTF-8''%EB%B3%B4" in whole.headers["content-disposition"]
    assert whole.headers["content-disposition"].startswith("attachment")
    etag = whole.headers["etag"]

    part = user.get(path, headers={"Range": "bytes=100-199", "If-Range": etag})
    assert (part.status_code, part.content) == (206, data[100:200])
    assert part.headers["content-range"] == f"bytes 100-199/{len(data)}"
    assert user.get(path, headers={"Range": "bytes=-5"}).content == data[-5:]
    assert user.get(path, headers={"Range": "bytes=1-2", "If-Range": '"other"'}).status_code == 200
    behind = user.get(path, headers={"Range": f"bytes={len(data)}-"})
    assert (behind.status_code, behind.headers["content-range"]) == (416, f"bytes */{len(data)}")
    assert user.get(path, headers={"If-None-Match": etag}).status_code == 304
    head = user.head(path)
    assert (head.status_code, head.headers["content-length"], head.content) == (200, str(len(data)), b"")


def test_an_empty_file_is_a_file(visitor: Visitors) -> None:
    user = visitor().sign_up()
    made = user.upload(b"", "empty")
    found = user.get(f"/api/v1/files/{made['id']}/content")
    assert (found.status_code, found.content) == (200, b"")


def test_a_file_of_several_parts_leaves_nothing_behind(visitor: Visitors, lab: Lab) -> None:
    user, data = visitor().sign_up(), bytes(20 * MIB + 17)
    mark = str(uuid.uuid4())
    made = user.upload(data, "large", progress=mark)
    assert made["sha256"] == hashlib.sha256(data).hexdigest()
    assert user.get(f"/api/v1/uploads/{mark}/progress").json() == {"received": len(data), "size": len(data)}
    assert 0 < lab.redis("cache").ttl(f"temp:upload:progress:{mark}") <= 600
    stranger = visitor().sign_up()
    assert stranger.get(f"/api/v1/uploads/{mark}/progress").status_code == 404
    assert user.delete(f"/api/v1/files/{made['id']}").status_code == 204
    assert made["id"] not in lab.objects()
    assert made["id"] not in lab.rows()


def test_nobody_reaches_anothers_file(visitor: Visitors) -> None:
    owner, stranger, nobody = visitor().sign_up(), visitor().sign_up(), visitor()
    made = owner.upload(b"private")
    path, page = f"/api/v1/files/{made['id']}", f"/files/{made['id']}"
    for other in (stranger, nobody):
        for each in (path, f"{path}/content", page, f"{page}/download", f"{page}/view"):
            assert other.get(each).status_code == 404, each
        assert made["id"] not in other.get("/api/v1/wall").text
    assert stranger.patch(path, json={"shared": True}).status_code == 404
    assert stranger.delete(path).status_code == 404
    assert stranger.get("/api/v1/files").json() == []

    owner.patch(path, json={"shared": True, "name": "for all"}).raise_for_status()
    for other in (stranger, nobody):
        assert other.get(path).json()["name"] == "for all"
        assert other.get(f"{path}/content").content == b"private"
    assert stranger.patch(path, json={"shared": False}).status_code == 404
    assert stranger.delete(path).status_code == 404
    owner.patch(path, json={"shared": False}).raise_for_status()
    assert nobody.get(path).status_code == 404, "the cache must not outlive the owner's word"


def test_files_are_found_by_name_and_paged(visitor: Visitors) -> None:
    user = visitor().sign_up()
    for number in range(26):
        user.upload(b"x", f"{number:02} 100%_{'짝' if number % 2 == 0 else '홀'}.txt")
    first = user.get("/api/v1/files").json()
    rest = user.get("/api/v1/files", params={"before": first[-1]["id"]}).json()
    assert [each["name"][:2] for each in first + rest] == [f"{number:02}" for number in range(25, -1, -1)]
    assert len(user.get("/api/v1/files", params={"q": "짝"}).json()) == 13
    assert len(user.get("/api/v1/files", params={"q": "100%_"}).json()) == 24
    assert user.get("/api/v1/files", params={"q": "100%짝"}).json() == []
    page = user.get("/files", headers={"Accept": "text/html"}, params={"q": "25"}).text
    assert "25 100%_홀.txt" in page
    assert "24 100%_짝.txt" not in page


def test_no_file_acts_as_a_page_of_the_site(visitor: Visitors) -> None:
    user = visitor().sign_up()
    page = user.upload(b"<script>alert(1)</script>", "<script>alert(1)<script>.html", "text/html")
    picture = user.upload(b"\x89PNG", "a.png", "image/png")
    for made, way in ((page, "view"), (page, "download"), (picture, "view"), (picture, "download")):
        found = user.get(f"/files/{made['id']}/{way}")
        assert found.headers["x-content-type-options"] == "nosniff"
        assert found.headers["content-security-policy"].startswith("sandbox;")
        inline = made is picture and way == "view"
        assert found.headers["content-type"] == ("image/png" if inline else "application/octet-stream")
        assert found.headers["content-disposition"].startswith("inline" if inline else "attachment")
    listed = user.get("/files", headers={"Accept": "text/html"}).text
    assert "<script>alert" not in listed
    assert "&lt;script&gt;alert" in listed


def test_what_is_too_large_is_refused_before_it_is_sent(app: App, visitor: Visitors, lab: Lab) -> None:
    user, most = visitor().sign_up(), 100 * MIB
    who = (cookie(user), token(user))
    before = lab.objects()
    for head, more in (
        ("POST /api/v1/files?name=a HTTP/1.1", f"Content-Length: {most + 1}"),
        ("POST /upload HTTP/1.1", f"Content-Length: {most + MIB}"),
        ("POST /api/v1/posts HTTP/1.1", f"Content-Length: {MIB}"),
        ("POST /login HTTP/1.1", f"Content-Length: {MIB}"),
    ):
        with raw(app, head, *who, more, "Content-Type: multipart/form-data; boundary=x") as connection:
            assert connection.recv(100).startswith(b"HTTP/1.1 413"), head
    announced = {"name": "a", "size": most + 1}
    assert user.post("/api/v1/uploads", json=announced).status_code == 413
    assert lab.objects() == before


def test_a_body_without_a_length_ends_at_the_limit(visitor: Visitors, lab: Lab) -> None:
    user, before = visitor().sign_up(), lab.objects()

    def endless() -> Iterator[bytes]:
        for _ in range(101):
            yield bytes(MIB)

    answer = user.post("/api/v1/files", params={"name": "a"}, content=endless())
    assert answer.status_code == 413
    assert answer.json()["code"] == "too_large"

    def words() -> Iterator[bytes]:
        for _ in range(400):
            yield b'{"title": "' + bytes(1000)

    answer = user.post("/api/v1/posts", content=words(), headers={"Content-Type": "application/json"})
    assert answer.status_code == 413
    assert lab.objects() == before
    assert "uploading" not in lab.rows().values()


def test_an_upload_goes_on_where_it_broke_off_on_another_server(
    app: App, second: App, visitor: Visitors, lab: Lab
) -> None:
    user, data = visitor().sign_up(), hashlib.sha256(b"seed").digest() * (21 * MIB // 32)
    begun = user.post("/api/v1/uploads", json={"name": "long.bin", "size": len(data)}).json()
    path = f"/api/v1/uploads/{begun['id']}"
    with raw(
        app, f"PUT {path} HTTP/1.1", cookie(user), token(user), f"Content-Length: {len(data)}",
        f"Content-Range: bytes 0-{len(data) - 1}/{len(data)}",
    ) as connection:  # fmt: skip
        connection.sendall(data[: 12 * MIB])
        there = Visitor(second.site, headers=user.headers, cookies=user.cookies)
        lab.until(lambda: there.get(path).json()["received"] == 8 * MIB)
    received = there.get(path).json()["received"]
    assert received == 8 * MIB, "full parts stay"
    wrong = there.put(path, content=data, headers={"Content-Range": f"bytes 0-{len(data) - 1}/{len(data)}"})
    assert (wrong.status_code, wrong.json()["received"]) == (409, received)
    middle = received + 8 * MIB
    some = {"Content-Range": f"bytes {received}-{middle - 1}/{len(data)}"}
    assert there.put(path, content=data[received:middle], headers=some).json()["received"] == middle
    rest = {"Content-Range": f"bytes {middle}-{len(data) - 1}/{len(data)}"}
    made = user.put(path, content=data[middle:], headers=rest)
    assert (made.status_code, made.json()["sha256"]) == (201, hashlib.sha256(data).hexdigest())
    assert there.get(path).json()["file"]["id"] == begun["id"], "who has lost the answer is told again"
    assert there.get(f"/api/v1/files/{begun['id']}/content").content == data
    stranger = visitor().sign_up()
    assert stranger.get(path).status_code == 404
    there.close()


def test_an_upload_that_breaks_off_leaves_nothing(app: App, visitor: Visitors, lab: Lab) -> None:
    user, before = visitor().sign_up(), lab.objects()
    with raw(
        app, "POST /api/v1/files?name=a HTTP/1.1", cookie(user), token(user), f"Content-Length: {20 * MIB}"
    ) as connection:
        connection.sendall(bytes(9 * MIB))
    lab.until(lambda: "uploading" not in lab.rows().values())
    assert lab.objects() == before
    assert user.get("/api/v1/files").json() == []


def test_uploads_that_never_end_are_bounded(visitor: Visitors, lab: Lab) -> None:
    user = visitor().sign_up()
    columns = "(id, owner_id, state, name, type)"
    values = f"UUID(), {user.user['id']}, 'uploading', 'x', 'text/plain'"
    many = "filewallball_db.seq_1_to_50"
    lab.sql(f"INSERT INTO filewallball_db.files {columns} SELECT {values} FROM {many}")  # noqa: S608 - ours
    answer = user.post("/api/v1/uploads", json={"name": "a", "size": 10})
    assert (answer.status_code, answer.json()["code"]) == (429, "too_many_uploads")
    lab.sql("DELETE FROM filewallball_db.files WHERE state = 'uploading'")
    assert user.upload(b"x")["size"] == 1


def test_metadata_are_read_through_the_cache(visitor: Visitors, lab: Lab) -> None:
    rollbacks = "SHOW GLOBAL STATUS LIKE 'Com_rollback'"
    before = lab.sql(rollbacks)
    user = visitor().sign_up()
    made = user.upload(b"x", "first")
    assert lab.sql(rollbacks) == before, "each statement counts by itself: there is nothing to take back"
    key, path = f"file:meta:{made['id']}", f"/api/v1/files/{made['id']}"
    cache = lab.redis("cache")
    assert 3500 < cache.ttl(key) <= 3600
    cache.delete(key)
    assert user.get(path).json()["name"] == "first"
    assert json.loads(cache.get(key))["name"] == "first"
    lab.sql("UPDATE filewallball_db.files SET name = 'second' WHERE name = 'first'")
    assert user.get(path).json()["name"] == "first", "it came from the cache"
    assert user.patch(path, json={"name": "third"}).json()["name"] == "third"
    assert user.get(path).json()["name"] == "third"
    for old in ({"title": "of another version"}, ["x"], "x"):
        cache.set(key, json.dumps(old))
        cache.set("cache:posts:recent", json.dumps(old))
        assert user.get(path).json()["name"] == "third"
        assert user.get("/posts").status_code == 200
    user.delete(path)
    assert user.get(path).status_code == 404
