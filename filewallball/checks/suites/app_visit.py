"""A visit of the application: an account of the check's own, which is gone when the visit is over."""

from __future__ import annotations

import json
import secrets
import time
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException
from typing import Any, cast

from facts.app import CHECK_ADDRESS, NAME
from facts.checks.app import AppServer, AppTarget
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites.reach import unreachable

SECONDS = 10.0
"""For which a server may be silent."""
PATIENCE_SECONDS = 10.0
"""How long a server that is busy (429, 503) is asked again: a fail-over of the sessions is no fault."""
_PAUSE_SECONDS = 0.5
MOST_BYTES = 2**20
"""What is read of an answer."""
NAME_SHOWN = "Check"
SESSION = "/api/v1/session"
_BUSY = (429, 503)
_JSON = {"Content-Type": "application/json"}


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server answered. Names of headers are in small letters; `cookies`: as a browser sends them."""

    status: int
    headers: Mapping[str, str]
    cookies: str
    body: bytes

    def read(self) -> dict[str, Any]:
        """What it tells; nothing for what isn't the application's JSON."""
        try:
            found: Any = json.loads(self.body)
        except ValueError:
            return {}
        return cast("dict[str, Any]", found) if isinstance(found, dict) else {}

    def __str__(self) -> str:
        code = self.read().get("code")
        return f"{self.status} ({code})" if isinstance(code, str) else f"{self.status}"


@dataclass(frozen=True, slots=True)
class Session:
    """A log-in: what later requests have to carry."""

    headers: Mapping[str, str]


class Visit:
    """Requests to the servers, each to that server's own Service."""

    def __init__(self, config: ChecksConfig) -> None:
        self._namespace = config.namespace
        self.servers = config[AppTarget].servers
        self.email = secrets.token_hex(16).join(CHECK_ADDRESS)
        self._password = secrets.token_urlsafe(24)
        self.own = Session({})
        """That of signing up. It lasts to the end of the visit."""

    def ask(
        self,
        server: AppServer,
        method: str,
        path: str,
        wanted: Sequence[int],
        session: Session | None = None,
        *,
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
        expected: str = "",
    ) -> Answer:
        """An answer with a wanted status, by this very server. Raises CheckFailed, with `expected`."""
        sent = {**(session.headers if session else {}), **(headers or {})}
        deadline = time.monotonic() + PATIENCE_SECONDS
        while True:
            answer = self._once(server, method, path, body, sent)
            if answer.status not in _BUSY or answer.status in wanted or time.monotonic() > deadline:
                break
            time.sleep(_PAUSE_SECONDS)
        asked = f"{method} {path.partition('?')[0]}"
        self._look_who(server, answer, asked)
        if answer.status not in wanted:
            raise CheckFailed(
                f"{server.name} answered {asked} with {answer}",
                expected or f"it answers with {' or '.join(map(str, wanted))}",
                self._hint(server, answer.status),
            )
        return answer

    def _once(
        self, server: AppServer, method: str, path: str, body: bytes, headers: Mapping[str, str]
    ) -> Answer:
        link = HTTPConnection(server.host, server.port, timeout=SECONDS)
        try:
            link.request(method, path, body or None, dict(headers))
            response = link.getresponse()
            told = {name.lower(): value for name, value in response.getheaders()}
            set_cookies = response.headers.get_all("Set-Cookie") or []
            cookies = "; ".join(each.partition(";")[0] for each in set_cookies)
            return Answer(response.status, told, cookies, response.read(MOST_BYTES))
        except (OSError, HTTPException) as error:
            why = f"{server.name} gave no answer to {method} {path.partition('?')[0]}: {error}"
            raise unreachable(why, server.name, self._namespace, f"pod/{server.name}") from error
        finally:
            link.close()

    def _look_who(self, server: AppServer, answer: Answer, asked: str) -> None:
        who = answer.headers.get("x-served-by", "nobody that says its name")
        if who != server.name:
            raise CheckFailed(
                f"{asked}, sent to the Service {server.host}, was answered by {who}",
                f"it is answered by {server.name}",
                f"Run `kubectl -n {self._namespace} describe service {server.host}`, which shows the pods"
                " that it selects. Then run `fwb up`, which sets the Service again.",
            )

    def _hint(self, server: AppServer, status: int) -> str:
        log = f"`kubectl -n {self._namespace} logs {server.name} -c {NAME}`"
        if status == 503:
            return (
                f"A server behind the application doesn't answer, or {server.name} is too busy: {log} says"
                " which one. Mend that first: the checks of that server tell more."
            )
        if status == 507:
            return "The store of the files is full: remove files, or give it more room."
        if status >= 500:
            return f"Look at {log}, which has the error. If it came with a new image, go back to the old one."
        return (
            f"Look at {log} and at the logs of the others. If one of the servers has other settings, or"
            " another image, run `fwb up`."
        )

    def enter(self) -> None:
        """Sign up. Raises CheckFailed."""
        body = self._credentials() | {"name": NAME_SHOWN}
        # A server whose sessions were away for a moment has made the account when it is asked again.
        made = self._post(self.servers[0], "/api/v1/users", body, (201, 409))
        self.own = self._session(made) if made.status == 201 else self.log_in(self.servers[0])

    def log_in(self, server: AppServer) -> Session:
        """One more log-in."""
        return self._session(self._post(server, SESSION, self._credentials(), (200,)))

    def _credentials(self) -> dict[str, str]:
        return {"email": self.email, "password": self._password}

    def _post(self, server: AppServer, path: str, body: Mapping[str, str], wanted: Sequence[int]) -> Answer:
        return self.ask(server, "POST", path, wanted, body=json.dumps(body).encode(), headers=_JSON)

    def _session(self, answer: Answer) -> Session:
        token = answer.read().get("csrf")
        if not answer.cookies or not isinstance(token, str):
            raise CheckFailed(
                "the answer to a log-in has no cookie, or no token for changes",
                "it has a cookie (Set-Cookie) and a token (csrf)",
                "Something between the checks and the application changes its answers. Look for it with"
                f" `kubectl -n {self._namespace} describe pods -l app.kubernetes.io/name={NAME}`.",
            )
        return Session({"Cookie": answer.cookies, "X-CSRF-Token": token})

    def leave(self) -> None:
        """Remove the account and all that it has, by the first server that does it. Raises CheckFailed."""
        if not self.own.headers:
            return
        failures: list[CheckFailed] = []
        for server in self.servers:
            try:
                self.ask(server, "DELETE", "/api/v1/account", (204,), self.own)
            except CheckFailed as failed:
                failures.append(failed)
            else:
                return
        raise CheckFailed(
            f"the check's account {self.email} could not be removed: {failures[0].observed}",
            "the account is removed at the end of the check",
            f"{failures[0].hint} The servers remove the account by themselves later.",
        )


@contextmanager
def visit(config: ChecksConfig) -> Generator[Visit]:
    """A visit with an account of its own, which is removed in any case."""
    made = Visit(config)
    try:
        made.enter()
        yield made
    except BaseException:
        with suppress(Exception):  # what went wrong first is what is told
            made.leave()
        raise
    made.leave()
