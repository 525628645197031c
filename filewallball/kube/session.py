"""HTTP with the API server of one context: who asks, by which way, and again with fresh credentials."""

from __future__ import annotations

import base64
import threading
from collections.abc import Generator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx2 as httpx

from filewallball import proxies
from filewallball.errors import ConfigError, UserError
from filewallball.kube import tls
from filewallball.kube.config import Access
from filewallball.kube.fields import User
from filewallball.kube.plugin import Answer, Plugin

_ESCAPED_NOT = frozenset(b"!#$&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")


@dataclass(frozen=True)
class Credential:
    """What goes with a request: a value of the header Authorization, and a client certificate."""

    authorization: str = ""
    identity: tls.Identity | None = None
    answer: Answer | None = None
    """The plugin's, if it comes from one."""


class Session:
    """A client as httpx's own. Credentials are read again when they change, are over, or are refused."""

    def __init__(self, access: Access, timeout: httpx.Timeout) -> None:
        self._access = access
        self._timeout = timeout
        self._where = f"context {access.context}"
        self._headers = [*_impersonation(access.user, self._where)]
        if access.cluster.disable_compression:
            self._headers.append((b"Accept-Encoding", b"identity"))
        self._proxy = access.cluster.proxy_url or proxies.proxy_for(access.server)
        self._login = _Login(access)
        self._lock = threading.Lock()
        self._client: tuple[tls.Identity | None, httpx.Client] | None = None
        if self._login.plugin is None:
            self._client_for(self._login.current())  # to find now what is wrong with the certificates

    def request(self, method: str, url: str, **options: Any) -> httpx.Response:
        """Send one request; a second time with other credentials, if there are any, to a 401."""
        credential = self._login.current()
        answer = self._client_for(credential).request(method, url, **self._signed(credential, options))
        if answer.status_code == 401 and (fresh := self._login.other_than(credential)):
            answer = self._client_for(fresh).request(method, url, **self._signed(fresh, options))
        return answer

    @contextmanager
    def stream(self, method: str, url: str, **options: Any) -> Generator[httpx.Response]:
        """As `request`, the answer's body unread."""
        credential = self._login.current()
        with self._client_for(credential).stream(method, url, **self._signed(credential, options)) as answer:
            fresh = self._login.other_than(credential) if answer.status_code == 401 else None
            if fresh is None:
                yield answer
                return
        with self._client_for(fresh).stream(method, url, **self._signed(fresh, options)) as answer:
            yield answer

    def close(self) -> None:
        if self._client:
            self._client[1].close()

    def _signed(self, credential: Credential, options: dict[str, Any]) -> dict[str, Any]:
        given: Mapping[str, str] = options.get("headers") or {}
        headers = [(name.encode(), value.encode()) for name, value in given.items()] + self._headers
        if credential.authorization:
            headers.append((b"Authorization", credential.authorization.encode()))
        return {**options, "headers": headers}

    def _client_for(self, credential: Credential) -> httpx.Client:
        with self._lock:
            if self._client is None or self._client[0] != credential.identity:
                # the one before is left to the requests that it has under way
                self._client = credential.identity, self._connect(credential.identity)
            return self._client[1]

    def _connect(self, identity: tls.Identity | None) -> httpx.Client:
        context = tls.context(self._access.cluster, identity, self._where) if self._access.encrypted else None
        return httpx.Client(
            base_url=self._access.server,
            verify=context or False,
            proxy=_as_proxy(self._proxy, context) if self._proxy else None,
            trust_env=False,
            timeout=self._timeout,
            limits=httpx.Limits(max_connections=None, max_keepalive_connections=40),
        )


def _as_proxy(url: str, context: Any) -> httpx.Proxy:
    # an https proxy is trusted by the cluster's authority, as by kubectl: Go has one configuration for both
    return httpx.Proxy(url, ssl_context=context if url.startswith("https:") else None)


class _Login:
    """Where the credentials come from."""

    def __init__(self, access: Access) -> None:
        # over plain http nothing secret is sent
        self._user = access.user if access.encrypted else User()
        self._where = f"context {access.context}"
        user = self._user
        given = user.token or user.token_file or user.username or user.password or _has_certificate(user)
        self.plugin = Plugin(user.exec, access) if user.exec and not given else None

    def current(self) -> Credential:
        """Those to use now. Raises UserError."""
        if self.plugin:
            return self._of(self.plugin.answer())
        return Credential(self._authorization(), self._identity())

    def other_than(self, refused: Credential) -> Credential | None:
        """Others, after the server has refused these; None where there are none."""
        plugin = self.plugin
        found = self._of(plugin.answer(refused=refused.answer)) if plugin else self.current()
        return found if found != refused else None

    def _of(self, answer: Answer) -> Credential:
        identity = tls.Identity(answer.certificate, answer.key) if answer.certificate else None
        return Credential(self._bearer(answer.token) if answer.token else "", identity, answer)

    def _authorization(self) -> str:
        user = self._user
        if user.token or user.token_file:
            return self._bearer(self._token())
        if user.username or user.password:
            pair = f"{user.username}:{user.password}".encode()
            return f"Basic {base64.b64encode(pair).decode()}"
        return ""

    def _token(self) -> str:
        """The file's, or where that is away or empty, the token that was read with the kubeconfig."""
        user = self._user
        if not user.token_file:
            return user.token
        try:
            found = Path(user.token_file).read_text(encoding="utf-8").strip()
        except (OSError, ValueError) as error:
            if user.token:
                return user.token
            raise UserError(f"{self._where}: the tokenFile cannot be read: {error}", _RIGHTS) from None
        if not (found or user.token):
            raise UserError(f"{self._where}: the tokenFile {user.token_file} is empty", "Get a new token.")
        return found or user.token

    def _bearer(self, token: str) -> str:
        return f"Bearer {_one_line(token, 'the token', self._where).strip()}"

    def _identity(self) -> tls.Identity | None:
        user = self._user
        if not _has_certificate(user):
            return None
        try:
            return tls.Identity(
                user.certificate_data or Path(user.certificate).read_bytes(),
                user.key_data or Path(user.key).read_bytes(),
            )
        except OSError as error:
            raise UserError(
                f"{self._where}: the client certificate cannot be read: {error}", _RIGHTS
            ) from None


_RIGHTS = "Correct the path, or the rights of the file."


def _has_certificate(user: User) -> bool:
    return bool(user.certificate or user.certificate_data)


def _impersonation(user: User, where: str) -> list[tuple[bytes, bytes]]:
    """The headers that ask to be taken for somebody else; source: client-go, transport/round_trippers.go."""
    if not user.impersonate:
        return []
    headers = [("Impersonate-User", user.impersonate)]
    if user.impersonate_uid:
        headers.append(("Impersonate-Uid", user.impersonate_uid))
    headers += [("Impersonate-Group", group) for group in user.impersonate_groups]
    for key, values in user.impersonate_extra.items():
        escaped = "".join(chr(byte) if byte in _ESCAPED_NOT else f"%{byte:02X}" for byte in key.encode())
        headers += [(f"Impersonate-Extra-{escaped}", value) for value in values]
    return [(name.encode(), _one_line(value, name, where).encode()) for name, value in headers]


def _one_line(value: str, what: str, where: str) -> str:
    if any((ord(letter) < 32 and letter != "\t") or ord(letter) == 127 for letter in value):
        raise ConfigError(
            f"{where}: {what} holds a line break or another sign that no header may hold", "Correct it."
        )
    return value
