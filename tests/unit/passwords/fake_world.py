"""A stack in memory: Secrets, servers that follow them late, and clients that hold what they read once."""

from __future__ import annotations

import base64
import contextlib
import json
from collections.abc import Generator, Mapping, Sequence
from contextlib import contextmanager
from copy import deepcopy
from datetime import UTC, datetime, timedelta
from typing import Any

from facts.pods import password_key
from filewallball.errors import UserError
from filewallball.passwords.credentials import Credentials
from filewallball.passwords.proof.logins import Login
from filewallball.passwords.servers import SERVERS, Server

SIZES = {"valkey": 3, "valkey-sentinel": 5}
START = datetime(2026, 1, 1, tzinfo=UTC)


def secret(server: Server) -> dict[str, Any]:
    data = {password_key(user): f"{server.name}-{user}-first" for user in server.users}
    return {"metadata": {"name": server.secret, "resourceVersion": "1"}, "data": encoded(data)}


def encoded(data: Mapping[str, str]) -> dict[str, str]:
    return {key: base64.b64encode(value.encode()).decode() for key, value in data.items()}


class FakeWorld:
    """`fails`: the numbers of the calls that fail; `stops`: those at which the process is interrupted.

    A server follows its Secret no sooner than the next proof, which is the worst that a kubelet may do.
    """

    def __init__(self) -> None:
        self.secrets = {name: secret(server) for name, server in SERVERS.items()}
        self.fails: set[int] = set()
        self.stops: set[int] = set()
        self.refuse_new: set[str] = set()
        """Servers that never follow."""
        self.calls: list[str] = []
        self.lines: list[str] = []
        self.jobs: list[str] = []
        self.time = START
        self.proof_seconds = 0.0
        self.held = 0
        self.accepted = {name: self._both(name) for name in SERVERS}

    # ---- what a change needs ----

    @contextmanager
    def alone(self) -> Generator[None]:
        self._call("alone")
        self.held += 1
        try:
            yield
        finally:
            self.held -= 1

    def sizes(self) -> Mapping[str, int]:
        return SIZES

    def read(self, server: Server) -> Credentials:
        self._call(f"read {server.name}")
        return self.now(server.name)

    def write(self, server: Server, before: Credentials, after: Credentials) -> Credentials:
        self._call(f"write {server.name} {after.phase or 'dropped'}")
        assert self.held, "only under the lock"
        found = self.secrets[server.name]
        patch = json.loads(json.dumps(after.patch(before)))
        assert patch["metadata"]["resourceVersion"] == found["metadata"]["resourceVersion"]
        for key, value in patch["data"].items():
            if value is None:
                found["data"].pop(key, None)
            else:
                found["data"][key] = value
        found["metadata"]["resourceVersion"] = str(int(found["metadata"]["resourceVersion"]) + 1)
        self._nobody_is_refused(server.name)
        return self.now(server.name)

    def prove(self, logins: Sequence[Login]) -> None:
        self._call("prove")
        self.time += timedelta(seconds=self.proof_seconds)
        for name in {self._server(login) for login in logins} - self.refuse_new:
            self.accepted[name] = self._both(name)
        for login in logins:
            accepted = self.accepted[self._server(login)]
            if not set(login.accepted) <= accepted or set(login.refused) & accepted:
                raise UserError(f"{login.server}: user {login.user} isn't as it is to be")

    def late(self, chosen: Sequence[Server], since: datetime) -> list[str]:
        return [self.jobs.pop()] if self.jobs else []

    def set_in_environment(self, chosen: Sequence[Server], since: datetime) -> list[str]:
        return ["web-1"]

    def wait(self, seconds: float, what: str) -> None:
        self._call("wait")
        self.time += timedelta(seconds=seconds)

    # ---- what tests look at ----

    def now(self, name: str = "") -> Any:
        if not name:
            return self.time
        return Credentials.read(deepcopy(self.secrets[name]), SERVERS[name].users)

    def say(self, text: str) -> None:
        self.lines.append(text)

    def passwords(self) -> dict[str, dict[str, str]]:
        return {name: dict(self.now(name).current) for name in SERVERS}

    def phases(self) -> set[str]:
        return {self.now(name).phase for name in SERVERS}

    def _call(self, what: str) -> None:
        self.calls.append(what)
        if len(self.calls) in self.stops:
            raise KeyboardInterrupt
        if len(self.calls) in self.fails:
            raise UserError(f"call {len(self.calls)} fails: {what}")

    def _nobody_is_refused(self, name: str) -> None:
        """Who reads the Secret now gets in at a server that has followed, and at one that hasn't yet."""
        current = set(self.now(name).current.values())
        assert current <= self._both(name)
        if name not in self.refuse_new:
            assert current <= self.accepted[name], f"{name} doesn't know yet what its clients read"

    def _both(self, name: str) -> set[str]:
        now = self.now(name)
        return {*now.current.values(), *now.other.values()}

    def _server(self, login: Login) -> str:
        return next(name for name in ("mariadb", "redis", "valkey") if login.server.startswith(name))


def until_done(world: FakeWorld, action: Any, limit: int = 5) -> None:
    """Run it again and again, as somebody does who is told to."""
    for _ in range(limit):
        with contextlib.suppress(KeyboardInterrupt, UserError):
            action()
            return
    raise AssertionError(f"not done after {limit} runs: {world.calls}")
