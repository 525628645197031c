"""The order in which passwords are changed: add, switch, leave time, drop. Nobody is refused in between.

    1  all servers accept what the Secrets hold           else nothing is begun
    2  the new ones are added, and accepted everywhere    else they are dropped again
    3  the Secrets' readers get the new ones, and replication and Sentinels use them    else all is taken back
    4  applications have time to follow
    5  the old ones are dropped, and refused everywhere

Interrupted anywhere, it goes on from what the Secrets say.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from datetime import datetime, timedelta
from typing import Protocol

from filewallball.errors import UserError
from filewallball.passwords import servers
from filewallball.passwords.credentials import Credentials
from filewallball.passwords.proof.logins import Login
from filewallball.passwords.servers import Server

POLL_SECONDS = 2.0


class World(Protocol):
    """What a change needs of the cluster. All of it raises UserError."""

    def alone(self) -> AbstractContextManager[None]:
        """Nobody else changes the stack meanwhile."""
        ...

    def sizes(self) -> Mapping[str, int]:
        """How many pods each StatefulSet of the session servers has."""
        ...

    def read(self, server: Server) -> Credentials: ...

    def write(self, server: Server, before: Credentials, after: Credentials) -> Credentials:
        """What was written; an error if the Secret isn't as it was before."""
        ...

    def prove(self, logins: Sequence[Login]) -> None:
        """Wait until all logins end as they are to; an error that names those that don't."""
        ...

    def late(self, chosen: Sequence[Server], since: datetime) -> list[str]:
        """Pods of Jobs that run since before then, with the passwords of then."""
        ...

    def set_in_environment(self, chosen: Sequence[Server], since: datetime) -> list[str]:
        """Other pods that have the passwords of then in their environment."""
        ...

    def now(self) -> datetime: ...

    def wait(self, seconds: float, what: str) -> None: ...


class Change:
    """Of the passwords of these servers. `say` gets a line for each step."""

    def __init__(
        self, world: World, chosen: Sequence[Server], say: Callable[[str], None], again: str
    ) -> None:
        self._world, self._chosen, self._say = world, list(chosen), say
        self._again = again
        """The command's words after `fwb passwords rotate`, for hints."""
        self._now: dict[str, Credentials] = {}
        self._switched_here: set[str] = set()
        self._in_use: datetime | None = None
        """When all servers were last seen to use what the Secrets hold: the time of applications begins."""

    def rotate(self, grace: timedelta) -> None:
        """Give every user a new password; go on with a change that is under way. Raises UserError."""
        with self._world.alone():
            self._read()
            if returning := self._at("returning"):
                self._say(f"{_names(returning)}: taking back an earlier change, which was interrupted")
                self._drop_new(returning, grace)
            begun = self._at("", "added")
            if begun:
                self._switch(begun, grace)
        self._finish(grace)

    def finish(self) -> None:
        """End the time that applications have: drop the old passwords. Raises UserError."""
        self._read()
        if not self._at("switched"):
            self._say("No old passwords are left to be refused.")
            return
        self._finish(timedelta(0))

    def undo(self, grace: timedelta) -> None:
        """Take back a change that is under way. Raises UserError."""
        with self._world.alone():
            self._read()
            changing = self._at("added", "switched", "returning")
            if not changing:
                self._say("No change of passwords is under way.")
                return
            self._take_back(changing, grace)
        self._say(f"{_names(changing)}: the passwords are those of before")

    def _switch(self, begun: list[Server], grace: timedelta) -> None:
        fresh = [server for server in begun if not self._now[server.name].phase]
        try:
            self._prove(fresh)
        except UserError as error:
            raise UserError(
                f"Nothing was changed, because not all servers are well: {error.message}",
                error.hint or "Mend what this says. `fwb check` with the stack's name tells more.",
            ) from error
        users = sum(len(server.users) for server in begun)
        self._say(f"1 of 5: {_names(begun)} accept the passwords of the Secrets ({users} users)")
        try:
            for server in fresh:
                self._write(server, self._now[server.name].added(self._world.now()))
            self._prove(begun)
            self._say("2 of 5: the new passwords are accepted everywhere, beside the old ones")
            for server in begun:
                self._write(server, self._now[server.name].switched(self._world.now()))
            self._prove(begun)
            self._in_use = self._world.now()
            self._say("3 of 5: the Secrets hold the new passwords, and the servers use them themselves")
        except UserError as error:
            self._say(f"FAILED: {error.message}")
            self._say("taking it back")
            try:
                self._read()
                self._take_back([one for one in begun if self._now[one.name].phase], grace)
            except UserError as second:
                raise UserError(
                    f"The change failed, and could not be taken back: {second.message}",
                    "The servers accept the old and the new passwords until it is. Mend what this says, and"
                    f" run `fwb passwords undo {self._again}`.",
                ) from error
            raise UserError(
                f"The passwords were not changed: {error.message}",
                error.hint
                or f"All is as before. Mend this, and run `fwb passwords rotate {self._again}` again.",
            ) from error
        self._switched_here.update(server.name for server in begun)

    def _finish(self, grace: timedelta) -> None:
        """Wait until everybody had time to follow; then drop the old ones."""
        self._leave_time(self._at("switched"), grace, "4 of 5: ")
        with self._world.alone():
            self._read()
            chosen = self._at("switched")
            # One that was interrupted long ago: are the new ones still accepted everywhere?
            self._prove([server for server in chosen if server.name not in self._switched_here])
            before = dict(self._now)
            for server in chosen:
                self._write(server, self._now[server.name].dropped())
            sizes = self._world.sizes()
            logins = [
                login
                for server in chosen
                for login in servers.only(server, sizes, self._now[server.name], before[server.name])
            ]
            try:
                self._world.prove(logins)
            except UserError as error:
                raise UserError(
                    f"The Secrets hold the new passwords alone, but not all servers follow: {error.message}",
                    "Delete the pods that this names. The new ones know the new passwords alone.",
                ) from error
        self._say(f"5 of 5: {_names(chosen)} refuse the old passwords")

    def _leave_time(self, chosen: list[Server], grace: timedelta, step: str) -> None:
        since = max((self._now[server.name].since or self._world.now() for server in chosen), default=None)
        if since is None:
            return
        until = max(since, self._in_use or since) + grace
        self._say(
            f"{step}both passwords are accepted until {until.astimezone():%H:%M:%S}. Restart by then what"
            " reads its password only when it starts"
        )
        if holders := self._world.set_in_environment(chosen, since):
            self._say(f"        These pods have the old ones in their environment:  {', '.join(holders)}")
        while (left := (until - self._world.now()).total_seconds()) > 0:
            self._world.wait(min(left, POLL_SECONDS), f"{left:.0f} s are left for applications")
        told: list[str] = []
        while late := self._world.late(chosen, since):
            if late != told:
                self._say(f"        waiting for Jobs that began with the old ones: {', '.join(late)}")
                told = late
            self._world.wait(POLL_SECONDS, f"waiting for {', '.join(late)}")

    def _take_back(self, chosen: list[Server], grace: timedelta) -> None:
        for server in chosen:
            if self._now[server.name].phase == "switched":
                self._write(server, self._now[server.name].returning(self._world.now()))
        self._drop_new(chosen, grace)

    def _drop_new(self, chosen: list[Server], grace: timedelta) -> None:
        """The Secrets hold the old ones again: drop the new ones once nobody uses them any more."""
        returning = [server for server in chosen if self._now[server.name].phase == "returning"]
        if returning:
            self._prove(returning)
            self._in_use = self._world.now()
            self._say("the Secrets hold the old passwords again")
            self._leave_time(returning, grace, "")
        for server in chosen:
            self._write(server, self._now[server.name].dropped())

    def _prove(self, chosen: Sequence[Server]) -> None:
        """That these servers accept all that their Secrets hold, and use it themselves."""
        sizes = self._world.sizes()
        logins = [
            login
            for server in chosen
            for login in servers.both(server, sizes, self._now[server.name], follows=True)
        ]
        if logins:
            self._world.prove(logins)

    def _read(self) -> None:
        self._now = {server.name: self._world.read(server) for server in self._chosen}

    def _write(self, server: Server, after: Credentials) -> None:
        self._now[server.name] = self._world.write(server, self._now[server.name], after)

    def _at(self, *phases: str) -> list[Server]:
        return [server for server in self._chosen if self._now[server.name].phase in phases]


def _names(chosen: Sequence[Server]) -> str:
    return ", ".join(server.name for server in chosen)
