"""A client of the OCI distribution API (opencontainers/distribution-spec), as far as images need one."""

from __future__ import annotations

import base64
import hashlib
import json
import re
import ssl
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, Self
from urllib.parse import urljoin

import httpx2 as httpx

from filewallball import proxies
from filewallball.errors import UserError
from filewallball.registry import credentials
from filewallball.registry.reference import Reference

INDEX = "application/vnd.oci.image.index.v1+json"
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
_ACCEPTED = ", ".join(
    (
        INDEX,
        MANIFEST,
        "application/vnd.docker.distribution.manifest.list.v2+json",
        "application/vnd.docker.distribution.manifest.v2+json",
    )
)
_EMPTY = "application/vnd.oci.empty.v1+json"
_NOTHING = b"{}"
_CHUNK_BYTES = 2**20
_DIGEST = re.compile(r"sha256:[0-9a-f]{64}")
_CHALLENGE = re.compile(r'(\w+)="([^"]*)"')


class RegistryError(UserError):
    """A registry could not be reached, or refused."""


class Registry:
    """One repository of a registry, and what a token of it allows: to `push`, or only to look."""

    def __init__(self, image: Reference, *, push: bool = False) -> None:
        self._image = image
        self._scope = f"repository:{image.repository}:pull{',push' if push else ''}"
        # As Docker does: a registry on this machine is asked without TLS.
        local = re.fullmatch(r"(localhost|127\.[\d.]+|\[::1\])(:\d+)?", image.host)
        base = f"{'http' if local else 'https'}://{image.host}"
        self._http = httpx.Client(
            base_url=f"{base}/v2/{image.repository}/",
            proxy=proxies.proxy_for(base),
            trust_env=False,
            verify=ssl.create_default_context(),
            follow_redirects=True,
            timeout=httpx.Timeout(60.0, connect=10.0),
        )
        self._authorization: str | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._http.close()

    def digest(self, tag: str) -> str:
        """What the tag means now; of an image for several machines, the digest of its index."""
        answer = self._send("HEAD", f"manifests/{tag}", headers={"Accept": _ACCEPTED})
        told = answer.headers.get("docker-content-digest", "")
        if answer.status_code == 200 and _DIGEST.fullmatch(told):
            return told
        answer = self._expect(200, self._send("GET", f"manifests/{tag}", headers={"Accept": _ACCEPTED}))
        return _digest(answer.content)

    def push_blob(self, digest: str, content: bytes | Path) -> bool:
        """Store a blob unless it is there; whether it had to be sent."""
        if self._send("HEAD", f"blobs/{digest}").status_code == 200:
            return False
        answer = self._expect(202, self._send("POST", "blobs/uploads/"))
        where = urljoin(str(answer.request.url), answer.headers["location"])
        size = len(content) if isinstance(content, bytes) else content.stat().st_size
        self._expect(
            201,
            self._send(
                "PUT",
                str(httpx.URL(where).copy_merge_params({"digest": digest})),
                headers={"Content-Type": "application/octet-stream", "Content-Length": str(size)},
                content=content,
            ),
        )
        return True

    def push_manifest(self, tag: str, manifest: Mapping[str, Any]) -> dict[str, Any]:
        """Give a manifest the tag; how others refer to it: its mediaType, digest and size."""
        data = _written(manifest)
        self._put(tag, data, MANIFEST)
        return _descriptor(MANIFEST, data)

    def attach(self, subject: Mapping[str, Any], kind: str, content: bytes) -> None:
        """Store what is said about a manifest, `subject`, as its referrer of this kind.

        A registry from before OCI 1.1 gets the list of referrers under a tag made from the subject's digest,
        as the specification has it, with one of each kind.
        """
        self.push_blob(_digest(content), content)
        self.push_blob(_digest(_NOTHING), _NOTHING)
        data = _written(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "artifactType": kind,
                "config": _descriptor(_EMPTY, _NOTHING),
                "layers": [_descriptor(kind, content)],
                "subject": dict(subject),
            }
        )
        answer = self._put(_digest(data), data, MANIFEST)
        if "oci-subject" not in answer.headers:
            tag = subject["digest"].replace(":", "-")
            found = {**_descriptor(MANIFEST, data), "artifactType": kind}
            others = [each for each in self._listed(tag) if each.get("artifactType") != kind]
            listing = {"schemaVersion": 2, "mediaType": INDEX, "manifests": [*others, found]}
            self._put(tag, _written(listing), INDEX)

    def _listed(self, tag: str) -> list[dict[str, Any]]:
        answer = self._send("GET", f"manifests/{tag}", headers={"Accept": INDEX})
        return [] if answer.status_code == 404 else self._expect(200, answer).json()["manifests"]

    def _put(self, name: str, data: bytes, kind: str) -> httpx.Response:
        headers = {"Content-Type": kind}
        return self._expect(201, self._send("PUT", f"manifests/{name}", headers=headers, content=data))

    def _send(
        self,
        method: str,
        url: str,
        *,
        headers: Mapping[str, str] | None = None,
        content: bytes | Path | None = None,
    ) -> httpx.Response:
        for first in (True, False):
            more = {"Authorization": self._authorization} if self._authorization else {}
            body = _pieces(content) if isinstance(content, Path) else content
            try:
                answer = self._http.request(method, url, headers={**(headers or {}), **more}, content=body)
            except httpx.HTTPError as error:
                raise RegistryError(
                    f"The registry {self._image.registry} can't be reached: {error}",
                    "Look whether its name is right, and whether a proxy is needed (HTTPS_PROXY).",
                ) from error
            challenge = answer.headers.get("www-authenticate", "")
            if not (answer.status_code == 401 and first and self._log_in(challenge)):
                return answer
        raise AssertionError("not reached")

    def _log_in(self, challenge: str) -> bool:
        """Get what the registry asks for; whether it is worth another try."""
        kind, _, rest = challenge.partition(" ")
        known = credentials.find(self._image.registry)
        basic = (known.user, known.password) if known and known.user else None
        if kind.lower() == "basic":
            if basic is None or self._authorization:
                return False
            self._authorization = f"Basic {base64.b64encode(':'.join(basic).encode()).decode()}"
            return True
        told = dict(_CHALLENGE.findall(rest))
        if kind.lower() != "bearer" or "realm" not in told:
            return False
        asked = {"service": told.get("service", ""), "scope": told.get("scope") or self._scope}
        self._authorization = None
        try:
            if known and known.token:
                form = {"grant_type": "refresh_token", "refresh_token": known.token, "client_id": "fwb"}
                answer = self._http.post(told["realm"], data=asked | form)
            else:
                answer = self._http.get(told["realm"], params=asked, auth=basic)
            found: dict[str, Any] = answer.json() if answer.status_code == 200 else {}
        except (httpx.HTTPError, ValueError):
            return False
        token = found.get("token") or found.get("access_token")
        if token:
            self._authorization = f"Bearer {token}"
        return bool(token)

    def _expect(self, status: int, answer: httpx.Response) -> httpx.Response:
        if answer.status_code == status:
            return answer
        where = f"{self._image.registry} says {answer.status_code} about {self._image}"
        if answer.status_code == 404:
            hint = "There is no such image, or no such repository. Correct its name and its tag."
        elif answer.status_code in (401, 403):
            hint = f"Log in: `docker login {self._image.registry}`, with an account that may do this."
        elif answer.status_code == 429:
            hint = f"Too many requests. Wait, or log in: `docker login {self._image.registry}`."
        else:
            hint = "Look at the registry's own log, or try again later."
        told = _told(answer)
        raise RegistryError(f"{where}: {told}" if told else where, hint)


def _written(manifest: Mapping[str, Any]) -> bytes:
    return json.dumps(manifest, sort_keys=True).encode()


def _digest(data: bytes) -> str:
    return f"sha256:{hashlib.sha256(data).hexdigest()}"


def _descriptor(kind: str, data: bytes) -> dict[str, Any]:
    return {"mediaType": kind, "digest": _digest(data), "size": len(data)}


def _pieces(path: Path) -> Iterator[bytes]:
    with path.open("rb") as file:
        while piece := file.read(_CHUNK_BYTES):
            yield piece


def _told(answer: httpx.Response) -> str:
    """The registry's own words."""
    try:
        errors = answer.json()["errors"]
        return "; ".join(f"{each.get('message') or each.get('code')}" for each in errors)
    except (ValueError, KeyError, TypeError, AttributeError):
        return ""
