"""The certificates where they are kept: Secrets that the program declares without content."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from typing import Any, Protocol

from facts.tls import AUTHORITY, CA, CERTIFICATE, KEY, RENEW, Server, names_of
from filewallball.certificates import authority, leaf
from filewallball.certificates.authority import Authority
from filewallball.certificates.leaf import Names
from filewallball.errors import UserError
from filewallball.kube import KubeError

CONFLICT = 409
TRIES = 10
PAUSE_SECONDS = 0.2
LOCAL = (("localhost",), ("127.0.0.1", "::1"))
"""Names and addresses by which a server is reached from within its pod."""

Say = Callable[[str], None]


class Cluster(Protocol):
    """What is used of filewallball.kube.Kube."""

    def get(
        self, api_version: str, kind: str, name: str, namespace: str | None = None
    ) -> dict[str, Any] | None: ...
    def replace(self, manifest: Mapping[str, Any]) -> dict[str, Any]: ...


class Keeper:
    """Brings the authority and the certificates of one namespace up to date. Raises UserError."""

    def __init__(self, cluster: Cluster, namespace: str, domain: str | None, say: Say) -> None:
        self._cluster, self._namespace, self._domain, self._say = cluster, namespace, domain, say

    def renew(self, wanted: Sequence[Server], now: datetime) -> None:
        """Make what is missing or ends soon. What is still good stays as it is, byte by byte."""
        signer = self._authority(now)
        for server in wanted:
            self._server(server, signer, now)

    def _authority(self, now: datetime) -> Authority:
        def step(files: Mapping[str, bytes], _notes: dict[str, str]) -> tuple[dict[str, bytes], str]:
            found = authority.current(files, self._namespace, now)
            made = found.files()
            if made.get(authority.CERTIFICATE) != files.get(authority.CERTIFICATE):
                return made, f"{AUTHORITY}: a new authority signs"
            if found.successor and authority.NEXT_CERTIFICATE not in files:
                return made, f"{AUTHORITY}: a successor is published; it signs in 30 days"
            return made, f"{AUTHORITY}: an authority that has ended is no longer published"

        files = self._change("Secret", AUTHORITY, step)
        found = authority.current(files, self._namespace, now)

        self._publish(found.bundle)
        return found

    def _publish(self, bundle: bytes) -> None:
        """Let clients know whom to trust."""

        def step(_files: Mapping[str, bytes], _notes: dict[str, str]) -> tuple[dict[str, bytes], str]:
            return {CA: bundle}, f"ConfigMap {AUTHORITY}: published"

        self._change("ConfigMap", AUTHORITY, step)

    def _server(self, server: Server, signer: Authority, now: datetime) -> None:
        wanted = self._names(server)

        def step(files: Mapping[str, bytes], notes: dict[str, str]) -> tuple[dict[str, bytes], str]:
            why = leaf.fault(files, wanted, signer.signing, now)
            if notes.pop(RENEW, None) is not None:
                why = why or f"was to be renewed ({RENEW})"
            kept = {name: files[name] for name in (CERTIFICATE, KEY) if name in files}
            if not why:
                return kept | {CA: signer.bundle}, f"{server.secret}: {CA} has changed"
            made = leaf.made(server.name, wanted, signer.signing, now)
            until = f"{made.certificate.not_valid_after_utc:%Y-%m-%d}"
            said = f"{server.secret}: its certificate {why}; made a new one, valid until {until}"
            return {CERTIFICATE: made.certificate_pem, KEY: made.key_pem, CA: signer.bundle}, said

        self._change("Secret", server.secret, step)

    def _names(self, server: Server) -> Names:
        dns, addresses = list(LOCAL[0]), list(LOCAL[1])
        for service in server.services:
            found = self._get("Service", service)
            dns += names_of(service, self._namespace, self._domain)
            spec = found["spec"]
            addresses += [
                each for each in spec.get("clusterIPs") or [spec.get("clusterIP")] if each and each != "None"
            ]
        return Names.of(dns, addresses)

    def _change(
        self,
        kind: str,
        name: str,
        step: Callable[[Mapping[str, bytes], dict[str, str]], tuple[dict[str, bytes], str]],
    ) -> dict[str, bytes]:
        """Write what `step` makes of the object's content and annotations, if that is another; return it.

        Another Job may do the same at this moment: whoever comes second looks again.
        """
        for _ in range(TRIES):
            found = self._get(kind, name)
            held = _content(found, kind)
            notes = dict(found["metadata"].get("annotations") or {})
            before = dict(notes)
            wanted, said = step(held, notes)
            if wanted == held and notes == before:
                return wanted
            found["metadata"]["annotations"] = notes
            found["data"] = _packed(kind, wanted)
            found.setdefault("apiVersion", "v1")
            found.setdefault("kind", kind)
            try:
                self._cluster.replace(found)
            except KubeError as error:
                if error.status != CONFLICT:
                    raise _refused(kind, name, error) from error
                time.sleep(PAUSE_SECONDS)
                continue
            self._say(said)
            return wanted
        raise UserError(
            f"The {kind} {name} was changed by others {TRIES} times in a row.", "Run the Job again."
        )

    def _held(self, kind: str, name: str) -> tuple[dict[str, bytes], dict[str, str]]:
        """What an object holds, and its annotations."""
        found = self._get(kind, name)
        return _content(found, kind), dict(found["metadata"].get("annotations") or {})

    def _get(self, kind: str, name: str) -> dict[str, Any]:
        try:
            found = self._cluster.get("v1", kind, name, self._namespace)
        except KubeError as error:
            raise _refused(kind, name, error) from error
        if found is None:
            raise UserError(
                f"The {kind} {name} doesn't exist in the namespace {self._namespace}.",
                "Run `fwb up` on the stack, which makes it.",
            )
        return found


def _refused(kind: str, name: str, error: KubeError) -> UserError:
    return UserError(
        f"The {kind} {name} can't be read or written: {error.message}",
        "Run `fwb up` on the stack, which gives the Job its rights again.",
    )


def _content(found: Mapping[str, Any], kind: str) -> dict[str, bytes]:
    data: dict[str, str] = found.get("data") or {}
    if kind == "ConfigMap":
        return {key: text.encode() for key, text in data.items()}
    return {key: base64.b64decode(text) for key, text in data.items()}


def _packed(kind: str, files: Mapping[str, bytes]) -> dict[str, str]:
    if kind == "ConfigMap":
        return {key: content.decode() for key, content in files.items()}
    return {key: base64.b64encode(content).decode() for key, content in files.items()}
