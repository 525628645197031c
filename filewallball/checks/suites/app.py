"""The application: what one server is told, the others know."""

from __future__ import annotations

import hashlib
import secrets
import unicodedata
from collections.abc import Sequence
from itertools import pairwise
from typing import Any, cast
from urllib.parse import quote

from facts.app import NAME
from facts.checks.app import AppServer, AppTarget
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed
from filewallball.checks.runner import Check, Suite
from filewallball.checks.suites.app_visit import SESSION, Answer, Session, Visit, visit

FILE_BYTES = 256 * 2**10
GIVEN_NAME = unicodedata.normalize("NFD", '../../etc\\한글 "보고서";\r\n<b>최종\u202egnp.exe')
"""As a Mac writes it, by somebody who means no good."""
KEPT_NAME = '한글 "보고서";<b>최종gnp.exe'
"""What the application has to make of it."""
PIECES = 3


def login(config: ChecksConfig) -> str:
    """A log-in on one server is good on every other one, and a log-out too."""
    with visit(config) as guest:
        first, *others = guest.servers
        session = guest.log_in(first)
        for server in guest.servers:
            _known(config, guest, server, session)
        last = guest.servers[-1]
        guest.ask(last, "DELETE", SESSION, (204,), session)
        for server in guest.servers:
            _unknown(config, guest, server, session, last)
    if not others:
        return f"logged in and out on {first.name}; there is no other server that could know of it"
    return f"logged in on {first.name}, known on {_names(others)}, logged out on {last.name}"


def _known(config: ChecksConfig, guest: Visit, server: AppServer, session: Session) -> None:
    first = guest.servers[0]
    found = guest.ask(server, "GET", SESSION, (200, 401), session)
    if found.status == 200 and _email(found) == guest.email:
        return
    who = "nobody" if found.status == 401 else "somebody else"
    raise CheckFailed(
        f"{server.name} takes whoever has logged in on {first.name} for {who}: it answered GET {SESSION} with"
        f" {found}",
        "a log-in on one server is good on every other one",
        "The servers must share their sessions: run `fwb check STACK valkey-primary valkey-reads`. If these"
        f" are well, `kubectl -n {config.namespace} get statefulset {NAME} -o yaml` shows where the servers"
        " look for sessions (APP_SESSIONS_URL). `fwb up` sets it again.",
    )


def _email(found: Answer) -> Any:
    user = found.read().get("user")
    return cast("dict[str, Any]", user).get("email") if isinstance(user, dict) else None


def _unknown(
    config: ChecksConfig, guest: Visit, server: AppServer, session: Session, where: AppServer
) -> None:
    found = guest.ask(server, "GET", SESSION, (200, 401), session)
    if found.status == 401:
        return
    raise CheckFailed(
        f"{server.name} still knows a session that was ended on {where.name}: it answered GET {SESSION} with"
        f" {found}",
        "after a log-out on one server, every server refuses the cookie (401)",
        "A server must ask the session set each time, and keep no session of its own. Look at `kubectl -n"
        f" {config.namespace} get pods -l app.kubernetes.io/name={NAME} -o wide`: if the pods run different"
        " images, run `fwb up`.",
    )


def upload(config: ChecksConfig) -> str:
    """A file that one server has taken comes back from every other one bit by bit, until it is deleted."""
    data = secrets.token_bytes(min(FILE_BYTES, config[AppTarget].upload_bytes))
    with visit(config) as guest:
        first, *others = guest.servers
        made = guest.ask(
            first, "POST", f"/api/v1/files?name={quote(GIVEN_NAME)}", (201,), guest.own, body=data
        ).read()
        path = f"/api/v1/files/{made.get('id')}"
        for server in others or [first]:
            _comes_back(config, guest, server, path, data)
        guest.ask(first, "DELETE", path, (204,), guest.own)
        for server in guest.servers:
            for each in (path, f"{path}/content"):
                guest.ask(
                    server, "GET", each, (404,), guest.own,
                    expected=f"a file that {first.name} has deleted is gone everywhere (404)",
                )  # fmt: skip
    if not others:
        return f"{len(data)} bytes through {first.name} and back; there is no other server to fetch them from"
    return f"{len(data)} bytes through {first.name}, the same from {_names(others)}"


def _comes_back(config: ChecksConfig, guest: Visit, server: AppServer, path: str, data: bytes) -> None:
    """By its name, whole, and in pieces."""
    content = f"{path}/content"
    told = guest.ask(server, "GET", path, (200,), guest.own).read()
    if (told.get("name"), told.get("size"), told.get("sha256")) != (KEPT_NAME, len(data), _sha256(data)):
        said = ", ".join(f"{key} {told.get(key)!r}" for key in ("name", "size", "sha256"))
        raise _other(config, guest, server, f"GET {path}: {said}", f"sha256 {_sha256(data)}")
    whole = guest.ask(server, "GET", content, (200,), guest.own)
    if whole.body != data:
        raise _other(config, guest, server, _seen("the whole file", whole), f"sha256 {_sha256(data)}")
    if quote(KEPT_NAME, safe="") not in whole.headers.get("content-disposition", ""):
        said = f"Content-Disposition: {whole.headers.get('content-disposition')}"
        raise _other(config, guest, server, said, f"it names {KEPT_NAME!r}")
    for begin, end in _pieces(len(data)):
        asked = f"bytes={begin}-{end - 1}"
        piece = guest.ask(server, "GET", content, (206,), guest.own, headers={"Range": asked})
        if piece.body != data[begin:end]:
            raise _other(
                config,
                guest,
                server,
                _seen(asked, piece),
                f"{end - begin} bytes, sha256 {_sha256(data[begin:end])}",
            )


def _pieces(size: int) -> list[tuple[int, int]]:
    """Begin and end (exclusive) of some parts that make the whole."""
    edges = sorted({size * number // PIECES for number in range(PIECES + 1)})
    return list(pairwise(edges))


def _seen(what: str, answer: Answer) -> str:
    return f"{what}: {len(answer.body)} bytes, sha256 {_sha256(answer.body)}"


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def _other(config: ChecksConfig, guest: Visit, server: AppServer, seen: str, expected: str) -> CheckFailed:
    first = guest.servers[0]
    return CheckFailed(
        f"{server.name} gave something else than {first.name} took ({seen})",
        f"the same file, bit by bit ({expected})",
        "The servers must have the same store. Compare APP_FILES_ENDPOINT and APP_FILES_BUCKET of both:"
        f" `kubectl -n {config.namespace} exec {server.name} -c {NAME} -- env` shows them. If they are the"
        " same, look at the store's own log, and at what stands between it and the servers.",
    )


def _names(servers: Sequence[AppServer]) -> str:
    *most, last = [each.name for each in servers]
    return f"{', '.join(most)} and {last}" if most else last


CHECKS = (
    Check("app-login", login, timeout=60),
    Check("app-upload", upload, timeout=60),
)

SUITE = Suite(AppTarget, CHECKS, place=6)
"""After the balancer: it is what users feel next."""
