"""A part of a stack as a target of this machine: its port is forwarded through the cluster's API server."""

from __future__ import annotations

import base64
import contextlib
import socket
import sys
import tempfile
import threading
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from redis.exceptions import RedisError

from facts import redis, tls, valkey
from facts.pods import password_key
from filewallball import redact, stack
from filewallball.errors import UserError
from filewallball.kube import Kube
from filewallball.snapshots.settings import Address
from filewallball.stability import in_stack, servers
from filewallball.stability.targets import Access, Target
from filewallball.stability.tunnel import Tunnel
from filewallball.stack import Place

_HOST = "127.0.0.1"
_UP = "Run `fwb up` on stack {0}, and run the command again."


@dataclass(frozen=True)
class _Part:
    """`user`: who may read and place all keys, by whose password it has; `port`: of the pods `name`."""

    name: str
    port: int
    secret: str
    password: str
    user: str


_PARTS = {
    "redis": _Part(redis.NAME, redis.PORT, redis.CREDENTIALS, "app", "app"),
    "valkey": _Part(valkey.NAME, valkey.PORT, valkey.CREDENTIALS, "backup", "backup"),
}


@contextmanager
def target(project: Path, text: str) -> Generator[Target | None]:
    """The part's primary for as long as the block runs; None if `text` names no part of a stack.

    Raises ConfigError for a stack or a part that doesn't exist, UserError if it can't be reached.
    """
    of_stack = in_stack.split(text)
    if not of_stack:
        yield None
        return
    name, part = of_stack
    place, kind = stack.find(project, name), _PARTS[part]
    with tempfile.TemporaryDirectory(prefix="fwb-forward-") as folder, contextlib.ExitStack() as open_:
        candidates: list[Target] = []
        for pod in _pods(place, kind):
            own = pod["metadata"]["name"]
            address = open_.enter_context(forwarded(place.kube, own, place.namespace, kind.port))
            access = _access(place, kind, pod, Path(folder))
            where = f"stack {name}, {part}"
            candidates.append(Target(f"{name}-{part}", where, (address,), access, forwarded=True))
        yield _primary(candidates, place, kind)


def _pods(place: Place, kind: _Part) -> list[dict[str, Any]]:
    found = place.kube.list("v1", "Pod", place.namespace, labels=f"app.kubernetes.io/name={kind.name}")
    running = [pod for pod in found if pod["status"].get("phase") == "Running"]
    if not running:
        raise UserError(f"No pod of {kind.name} runs in {place}", _UP.format(place.stack))
    return running


def _access(place: Place, kind: _Part, pod: dict[str, Any], folder: Path) -> Access:
    volumes: list[Any] = pod["spec"].get("volumes") or []
    secrets = [each["secret"]["secretName"] for each in volumes if each.get("secret")]
    password = _password(place, kind)
    if tls.secret_of(kind.name) not in secrets:
        return Access(kind.user, password)
    ca = folder / tls.CA
    ca.write_text(_data(place, "ConfigMap", tls.AUTHORITY).get(tls.CA, ""), encoding="utf-8")
    # The pods of a StatefulSet have a Service each, and its name stands in the certificate.
    own = pod["metadata"]["name"] if kind.name == valkey.NAME else kind.name
    return Access(kind.user, password, tls=True, ca_file=str(ca), server_name=own)


def _password(place: Place, kind: _Part) -> str:
    encoded = _data(place, "Secret", kind.secret).get(password_key(kind.password))
    if not encoded:
        raise UserError(
            f"The Secret {kind.secret} in {place} has no {password_key(kind.password)}",
            _UP.format(place.stack),
        )
    password = base64.b64decode(encoded).decode()
    redact.KNOWN.add(password)
    return password


def _data(place: Place, kind: str, name: str) -> dict[str, str]:
    found = place.kube.get("v1", kind, name, place.namespace) or {}
    return found.get("data") or {}


def _primary(candidates: list[Target], place: Place, kind: _Part) -> Target:
    said: list[str] = []
    for each in candidates:
        try:
            with servers.asked(each, each.nodes[0]) as client:
                if servers.text(client.execute_command("ROLE")[0]) == "master":
                    return each
                said.append("is a replica")
        except (RedisError, UserError) as error:
            said.append(str(error))
    raise UserError(
        f"No pod of {kind.name} in {place} is a primary that answers: {'; '.join(said)}",
        f"Run `fwb redis state {place.stack}:{kind.name}`, which says what is wrong.",
    )


@contextmanager
def forwarded(kube: Kube, pod: str, namespace: str, port: int) -> Generator[Address]:
    """Listens on 127.0.0.1, and passes each connection on to the pod's port."""
    with socket.create_server((_HOST, 0)) as listener:
        threading.Thread(
            target=_serve, args=(listener, kube, pod, namespace, port), name="fwb-forward", daemon=True
        ).start()
        try:
            yield Address(_HOST, listener.getsockname()[1])
        finally:
            # Wakes the thread, which a mere close would not.
            with contextlib.suppress(OSError):
                listener.shutdown(socket.SHUT_RDWR)


def _serve(listener: socket.socket, kube: Kube, pod: str, namespace: str, port: int) -> None:
    while True:
        try:
            local, _ = listener.accept()
        except OSError:
            return
        threading.Thread(
            target=_pass_on, args=(local, kube, pod, namespace, port), name="fwb-forward", daemon=True
        ).start()


def _pass_on(local: socket.socket, kube: Kube, pod: str, namespace: str, port: int) -> None:
    """What goes wrong ends the connection, which the client sees."""
    with local:
        try:
            with kube.forwarded(pod, namespace, port) as (remote, first):
                Tunnel(remote, first).pump(local)
        except UserError as error:
            print(f"{pod}: {error.message}", file=sys.stderr)
        except OSError:
            pass
