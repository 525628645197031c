"""Is the set whole: one primary, every replica linked to it, and all Sentinels of one mind about it?"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from threading import Event as Flag
from typing import Any, cast

from filewallball.drill.load.recording import State
from filewallball.drill.load.resp import Address, Connection, Refusal, Word, info, pairs

PERIOD = 0.2
"""Seconds between two looks; the time to full redundancy is as exact as this."""
TIMEOUT = 0.4
"""Seconds for one answer."""
NOT_WELL = ("s_down", "o_down", "disconnected", "failover_in_progress", "force_failover")


@dataclass(frozen=True)
class View:
    """What a look showed. `run_ids` names each server's process."""

    why: str = "not looked at yet"
    primary: str = ""
    run_ids: Mapping[str, str] = field(default_factory=dict[str, str])
    append_only: bool = False

    @property
    def whole(self) -> bool:
        return not self.why


class Eye:
    """Looks at all servers, over connections of its own."""

    def __init__(
        self,
        members: Mapping[str, Address],
        sentinels: Mapping[str, Address],
        master: str,
        login: tuple[Word, ...],
        ca_file: str | None = None,
    ) -> None:
        self._ca_file = ca_file
        self.view = View()
        self.states: list[State] = []
        self._members, self._sentinels, self._master, self._login = members, sentinels, master, login
        self._names = {host: name for name, (host, _) in members.items()}
        self._connections: dict[str, Connection] = {}

    def run(self, stop: Flag) -> None:
        """Look again and again; `states` gets each change, and each new reason for not being whole."""
        while not stop.is_set():
            began = time.monotonic()
            self.view = view = self.look()
            if not self.states or self.states[-1].why != view.why:
                self.states.append(State(time.monotonic(), view.whole, view.why))
            stop.wait(max(0.0, began + PERIOD - time.monotonic()))
        for connection in self._connections.values():
            connection.close()

    def look(self) -> View:
        """One look; it ends at the first thing that is not as it should be, but asks all members."""
        facts = {name: self._ask(name, self._members[name], ("INFO",)) for name in self._members}
        members = {name: info(reply[0]) if reply else {} for name, reply in facts.items()}
        primaries = [name for name, one in members.items() if one.get("role") == "master"]
        primary = primaries[0] if len(primaries) == 1 else ""
        run_ids = {name: one.get("run_id", "") for name, one in members.items()}
        why = next(self._members_faults(members, primaries), "")
        for name in self._sentinels if not why else ():
            why, run_ids[name] = self._sentinel_fault(name, primary)
            if why:
                break
        return View(
            why,
            primary,
            run_ids,
            any(one.get("aof_enabled") == "1" for one in members.values()),
        )

    def _members_faults(
        self, members: Mapping[str, Mapping[str, str]], primaries: list[str]
    ) -> Iterator[str]:
        for name, one in members.items():
            if not one:
                yield f"{name} doesn't answer"
            elif one.get("loading") == "1":
                yield f"{name} is loading its data"
        if len(primaries) != 1:
            yield f"{len(primaries)} members call themselves primary: {', '.join(primaries) or 'none'}"
            return
        for name, one in members.items():
            if name == primaries[0]:
                continue
            if self._names.get(one.get("master_host", "")) != primaries[0]:
                yield f"{name} follows {one.get('master_host')}, and {primaries[0]} is primary"
            if one.get("master_link_status") != "up":
                yield f"{name} isn't linked to {primaries[0]}"
        linked = [
            key
            for key, value in members[primaries[0]].items()
            if key.startswith("slave") and ",state=online," in value
        ]
        if len(linked) != len(members) - 1:
            yield f"{primaries[0]} has {len(linked)} replicas online, not {len(members) - 1}"

    def _sentinel_fault(self, name: str, primary: str) -> tuple[str, str]:
        """What a Sentinel finds wrong, and its own run id."""
        replies = self._ask(
            name,
            self._sentinels[name],
            ("SENTINEL", "MASTER", self._master),
            ("SENTINEL", "REPLICAS", self._master),
            ("SENTINEL", "SENTINELS", self._master),
            ("INFO", "server"),
        )
        if not replies:
            return f"{name} doesn't answer", ""
        run_id = info(replies[3]).get("run_id", "")
        master = pairs(replies[0])
        if not master:
            return f"{name}: {replies[0]}", run_id
        if self._names.get(master["ip"]) != primary:
            return f"{name} takes {self._names.get(master['ip'], master['ip'])} for the primary", run_id
        others = [("primary", [master])]
        others += [("replica", _rows(replies[1])), ("Sentinel", _rows(replies[2]))]
        for kind, rows in others:
            for row in rows:
                if any(flag in row.get("flags", "").split(",") for flag in NOT_WELL):
                    return f"{name} finds {kind} {self._title(row)} {row['flags']}", run_id
        counted = (len(others[1][1]), len(others[2][1]))
        expected = (len(self._members) - 1, len(self._sentinels) - 1)
        if counted != expected:
            return f"{name} knows {counted[0]} replicas and {counted[1]} other Sentinels", run_id
        return "", run_id

    def _title(self, row: Mapping[str, str]) -> str:
        return self._names.get(row.get("ip", "")) or row.get("name", "?")

    def _ask(self, name: str, address: Address, *commands: tuple[Word, ...]) -> list[Any]:
        """The replies; none at all if the server doesn't answer or refuses."""
        replies: list[Any] = []
        # again on a new connection: the old one may be to a process that has gone
        for _ in range(2 if name in self._connections else 1):
            try:
                if name not in self._connections:
                    self._connections[name] = Connection(address, TIMEOUT, self._ca_file)
                    self._connections[name].call(*self._login)
                replies = self._connections[name].calls(*commands)
                break
            except OSError as error:
                if broken := self._connections.pop(name, None):
                    broken.close()
                if isinstance(error, TimeoutError):
                    break
        # a Sentinel that lost its state answers, and knows no such primary
        refused = replies and isinstance(replies[0], Refusal) and "no such master" not in replies[0].lower()
        return [] if refused else replies


def _rows(reply: Any) -> list[dict[str, str]]:
    return [pairs(row) for row in cast("list[Any]", reply)] if isinstance(reply, list) else []
