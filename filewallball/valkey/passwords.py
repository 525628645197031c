"""New passwords while the set runs: when the Secret changes, its users and links get them without a restart.

Each agent sees to its own server and to the users of all Sentinels. The primary's alone sees to the passwords
with which Sentinels log in, at one Sentinel after the other: it then ends its links, and makes new ones.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from typing import Any, cast

from redis.exceptions import RedisError

from facts.valkey import SENTINEL_USERS, SERVER_USERS, USERS
from filewallball.guard.passwords import Secret, give
from filewallball.valkey.layout import Layout, Pod
from filewallball.valkey.member import Server
from filewallball.valkey.sentinels import Panel

LOOK_SECONDS = 1.0
ALL_SECONDS = 5.0
"""Sentinels are looked at again after this time, and at once when the Secret changes: one that has restarted
may have read files that the kubelet has not replaced yet.
"""
SAID_SECONDS = 30.0

Say = Callable[[str], None]


class Passwords:
    """`start` follows the Secret in the background, `stop` ends it."""

    def __init__(self, layout: Layout, server: Server, panel: Panel, say: Say) -> None:
        self._layout, self._server, self._panel, self._say = layout, server, panel, say
        self._secret = Secret(layout.secrets)
        self._stopping = threading.Event()
        self._given: object = None
        self._due = 0.0
        self._complained = -SAID_SECONDS

    def start(self) -> None:
        threading.Thread(target=self._run, name="passwords", daemon=True).start()

    def stop(self) -> None:
        self._stopping.set()

    def _run(self) -> None:
        while not self._stopping.wait(LOOK_SECONDS):
            try:
                self.look()
            except (RedisError, OSError) as error:
                # A server that is loading or away is told of elsewhere, and tried again here.
                if time.monotonic() - self._complained > SAID_SECONDS:
                    self._complained = time.monotonic()
                    self._say(f"passwords: {error}")

    def look(self) -> None:
        """Give the passwords of now to whoever hasn't got them. Raises RedisError and OSError."""
        accepted = self._secret.accepted(*USERS)
        login = {user: self._secret.password(user) for user in ("replica", "watch", "peer")}
        due = time.monotonic() > self._due
        info = self._server.call("INFO", "server", "replication")
        state = (accepted, login, info["run_id"])
        if state != self._given or due:
            self._tell(self._layout.me, give(self._server.call, _named(SERVER_USERS, accepted)))
            if self._server.call("CONFIG GET", "masterauth")["masterauth"] != login["replica"]:
                self._server.call("CONFIG SET", "masterauth", login["replica"])
                self._say("passwords: logs in at a primary with the one that the Secret has now")
            self._given = state
            self._due = 0.0 if self._tend(accepted, login, lead=info["role"] == "master") else _later()

    def _tend(self, accepted: dict[str, frozenset[str]], login: dict[str, str], *, lead: bool) -> bool:
        """See to the Sentinels; whether one of them still has to be seen to."""

        def users(_: Pod, client: Any) -> tuple[list[str], bool]:
            given = give(client.execute_command, _named(SENTINEL_USERS, accepted))
            found = cast("list[str]", client.execute_command("SENTINEL", "CONFIG", "GET", "sentinel-pass"))
            return given, found[1] != login["peer"]

        def links(_: Pod, client: Any) -> bool:
            client.execute_command("SENTINEL", "SET", self._layout.master, "auth-pass", login["watch"])
            # Last: by this one it is seen that both are done.
            client.execute_command("SENTINEL", "CONFIG", "SET", "sentinel-pass", login["peer"])
            return True

        answers = {pod: answer for pod, answer in self._panel.ask(users).items() if answer}
        for pod, (given, _) in answers.items():
            self._tell(pod, given)
        behind = [pod for pod, (_, old) in answers.items() if old]
        if lead and behind and self._panel.ask(links, behind[0])[behind[0]]:
            self._say(f"passwords: {behind[0].name} logs in with those that the Secret has now")
        return bool(behind) or len(answers) < len(self._layout.sentinels)

    def _tell(self, pod: Pod, users: list[str]) -> None:
        for user in users:
            self._say(f"passwords: {user} of {pod.name} has those of the Secret, which has changed")


def _named(names: dict[str, str], accepted: dict[str, frozenset[str]]) -> dict[str, frozenset[str]]:
    return {name: accepted[key] for key, name in names.items()}


def _later() -> float:
    return time.monotonic() + ALL_SECONDS
