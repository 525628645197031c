"""Credential plugins: a program of the cluster's provider prints a token or a client certificate.

The protocol: https://kubernetes.io/docs/reference/access-authn-authz/authentication/#client-go-credential-plugins
"""

from __future__ import annotations

import base64
import json
import os
import shutil
import subprocess
import sys
import threading
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from filewallball.errors import UserError
from filewallball.kube.config import Access
from filewallball.kube.fields import Exec, load_yaml
from filewallball.kube.tls import authority_of


@dataclass(frozen=True)
class Answer:
    """What the plugin printed: a token, or certificate and key in PEM, or all of them."""

    token: str = ""
    certificate: bytes = b""
    key: bytes = b""
    expires: datetime | None = None


class Plugin:
    """Runs the program when its credentials are needed for the first time, are over, or were refused."""

    def __init__(self, exec: Exec, access: Access) -> None:
        self._exec = exec
        self._context = access.context
        self._cluster = _cluster(access) if exec.provide_cluster else None
        self._lock = threading.Lock()
        self._answer: Answer | None = None

    def answer(self, *, refused: Answer | None = None) -> Answer:
        """The credentials; others than `refused`, which the server took for invalid. Raises UserError."""
        with self._lock:
            known = self._answer
            over = known is not None and known.expires is not None and datetime.now(UTC) > known.expires
            if known is None or over or known is refused:
                self._answer = known = self._run()
            return known

    def _run(self) -> Answer:
        terminal = sys.stdin is not None and not sys.stdin.closed and sys.stdin.isatty()
        if self._exec.interactive_mode == "Always" and not terminal:
            raise self._error(
                "it asks questions, and there is no terminal", "Use a terminal for this command."
            )
        interactive = terminal and self._exec.interactive_mode != "Never"
        spec = {"interactive": interactive, **({"cluster": self._cluster} if self._cluster else {})}
        info = {"kind": "ExecCredential", "apiVersion": self._exec.api_version, "spec": spec}
        variables = {**os.environ, **dict(self._exec.environment), "KUBERNETES_EXEC_INFO": json.dumps(info)}
        program = shutil.which(self._exec.command)
        if program is None:
            raise self._error(
                "it is not installed", self._exec.install_hint or "Install it, or put its folder on PATH."
            )
        try:
            done = subprocess.run(
                [program, *self._exec.arguments],
                check=False,
                env=variables,
                stdin=None if interactive else subprocess.DEVNULL,
                stdout=subprocess.PIPE,  # its messages and questions go to the user's terminal
            )
        except (OSError, ValueError) as error:
            raise self._error(f"it cannot be started: {error}", "Correct its path or its rights.") from None
        if done.returncode:
            raise self._error(
                f"it ended with exit code {done.returncode}",
                "See its own message above. Log in again, which often helps.",
            )
        return self._read(done.stdout)

    def _read(self, printed: bytes) -> Answer:
        try:
            found = load_yaml(printed)
            if not isinstance(found, dict):
                raise self._garbage("something that isn't an ExecCredential")
        except ValueError:
            raise self._garbage("neither JSON nor YAML") from None
        answer = cast("dict[str, Any]", found)
        if answer.get("kind") != "ExecCredential" or answer.get("apiVersion") != self._exec.api_version:
            raise self._garbage(f"something that isn't an ExecCredential of {self._exec.api_version}")
        status: Any = answer.get("status")
        if not isinstance(status, dict):
            raise self._garbage("an ExecCredential without status")
        fields = cast("dict[str, Any]", status)
        names = ("token", "clientCertificateData", "clientKeyData", "expirationTimestamp")
        values = [fields.get(name) or "" for name in names]
        if not all(isinstance(value, str) for value in values):
            raise self._garbage("a status whose fields are not text")
        token, certificate, key, expires = cast("list[str]", values)
        if not (token or certificate or key):
            raise self._garbage("neither a token nor a client certificate")
        if bool(certificate) != bool(key):
            raise self._garbage("a client certificate without key, or a key alone")
        return Answer(token, certificate.encode(), key.encode(), self._moment(expires))

    def _moment(self, text: str) -> datetime | None:
        try:
            moment = datetime.fromisoformat(text) if text else None
        except ValueError:
            moment = datetime.min
        if moment and moment.tzinfo is None:
            raise self._garbage("an expirationTimestamp that isn't a time with a time zone")
        return moment

    def _garbage(self, what: str) -> UserError:
        return self._error(f"it printed {what}", "Run it by hand, and look at what it prints.")

    def _error(self, why: str, hint: str) -> UserError:
        return UserError(
            f"context {self._context}: the plugin {self._exec.command} gave no credentials: {why}", hint
        )


def _cluster(access: Access) -> dict[str, Any]:
    """What the plugin is told of the cluster: the kubeconfig's own names, without what is empty."""
    cluster = access.cluster
    authority = authority_of(cluster)
    told: dict[str, Any] = {
        "tls-server-name": cluster.tls_server_name,
        "insecure-skip-tls-verify": cluster.insecure,
        "certificate-authority-data": base64.b64encode(authority).decode(),
        "proxy-url": cluster.proxy_url,
        "disable-compression": cluster.disable_compression,
    }
    return {
        "server": access.server,
        **{key: value for key, value in told.items() if value},
        "config": cluster.exec_config,
    }
