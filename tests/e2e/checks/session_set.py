"""The session set of a stack in the sandbox, to be broken from outside its pods."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import redis
from checked_stack import CheckedStack
from shared_stack import NAMESPACE

from filewallball.sandbox.faults import Faults

MEMBERS = ("valkey-0", "valkey-1", "valkey-2")
CONFIG = ("v1", "ConfigMap", "filewallball-checks")


class SessionSet:
    """Its faults, and its servers by their sockets, with the agents' rights."""

    def __init__(self, stack: CheckedStack, sandbox: str) -> None:
        self._stack = stack
        self.faults = Faults(sandbox)

    def close(self) -> None:
        self.faults.heal_all(NAMESPACE)
        self.faults.close()

    def call(self, member: str, *words: str) -> Any:
        secret = self._stack.kube.get("v1", "Secret", "valkey-credentials", NAMESPACE)
        socket = f"/proc/{self.faults.pid(NAMESPACE, member)}/root/run/valkey/valkey.sock"
        password = base64.b64decode(secret["data"]["agent-password"]).decode()
        with redis.Redis(unix_socket_path=socket, username="agent", password=password, protocol=2) as client:
            return client.execute_command(*words)

    def replicas(self) -> list[str]:
        return [member for member in MEMBERS if self.call(member, "ROLE")[0] != b"master"]

    @contextmanager
    def frozen(self, pod: str, container: str) -> Iterator[None]:
        self.faults.stop(NAMESPACE, pod, container)
        try:
            yield
        finally:
            self.faults.resume(NAMESPACE, pod, container)

    @contextmanager
    def cut_off(self, pod: str) -> Iterator[None]:
        self.faults.cut(NAMESPACE, pod, "both")
        try:
            yield
        finally:
            self.faults.heal(NAMESPACE, pod)

    @contextmanager
    def little_patience(self) -> Iterator[None]:
        """Checks that hardly wait for the set to settle."""
        right = self._stack.kube.get(*CONFIG, NAMESPACE)["data"]["checks.json"]
        config = json.loads(right)
        config["valkey"]["settle_seconds"] = 1
        patch, back = ({"data": {"checks.json": text}} for text in (json.dumps(config), right))
        with self._stack.patched(*CONFIG, patch, back):
            yield
