"""Certificates that an issuer of cert-manager signs: a CertificateRequest for each, and what comes of it.

https://cert-manager.io/docs/usage/certificaterequest/
"""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Protocol

from cryptography import x509
from cryptography.hazmat.primitives.serialization import Encoding

from facts.tls import DAYS, Issuer
from filewallball.errors import UserError
from filewallball.kube import KubeError

API, KIND = "cert-manager.io/v1", "CertificateRequest"
SECONDS = 120.0
"""How long an issuer may take."""
POLL_SECONDS = 0.5
_HINT = (
    "Look at `kubectl -n {namespace} describe certificaterequest {name}` and at the issuer. "
    "filewallball:tls.certManager names it."
)


class Cluster(Protocol):
    """What is used of filewallball.kube.Kube."""

    def get(
        self, api_version: str, kind: str, name: str, namespace: str | None = None
    ) -> dict[str, Any] | None: ...
    def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]: ...
    def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> bool: ...


@dataclass(frozen=True)
class Signed:
    """A certificate with those between it and the authority, and the authority's own, in PEM form."""

    chain: bytes
    authority: bytes


def sign(
    cluster: Cluster,
    namespace: str,
    issuer: Issuer,
    name: str,
    request: bytes,
    sleep: Callable[[float], None] = time.sleep,
) -> Signed:
    """Have the issuer sign a request in PEM form. Raises UserError that says why it didn't.

    `name`: of the CertificateRequest. One that was signed is removed; one that wasn't stays to be looked at.
    """
    try:
        cluster.delete(API, KIND, name, namespace)
        cluster.create(_manifest(namespace, issuer, name, request))
        found = _answered(cluster, namespace, name, sleep)
    except KubeError as error:
        if error.reason == "UnknownKind":
            raise UserError(
                "The cluster has no cert-manager: it knows no CertificateRequest.",
                "Install cert-manager, or leave filewallball:tls.certManager out.",
            ) from error
        raise UserError(
            f"The CertificateRequest {name} can't be made or read: {error.message}",
            "Run `fwb up` on the stack, which gives the Job its rights again.",
        ) from error
    signed = Signed(_text(found, "certificate"), _text(found, "ca"))
    if not signed.authority:
        raise UserError(
            f"{issuer} signs, but doesn't give its CA certificate, so that no client could know the servers.",
            "Choose an issuer of the kind CA or Vault as filewallball:tls.certManager.",
        )
    cluster.delete(API, KIND, name, namespace)
    return signed


def _manifest(namespace: str, issuer: Issuer, name: str, request: bytes) -> dict[str, Any]:
    return {
        "apiVersion": API,
        "kind": KIND,
        "metadata": {"name": name, "namespace": namespace},
        "spec": {
            "request": base64.b64encode(request).decode(),
            "duration": f"{DAYS * 24}h",
            "usages": ["digital signature", "server auth", "client auth"],
            "issuerRef": {"group": "cert-manager.io", "kind": issuer.kind, "name": issuer.name},
        },
    }


def _answered(cluster: Cluster, namespace: str, name: str, sleep: Callable[[float], None]) -> dict[str, Any]:
    """The request's status, once it is signed."""
    hint = _HINT.format(namespace=namespace, name=name)
    for _ in range(int(SECONDS / POLL_SECONDS)):
        found = cluster.get(API, KIND, name, namespace) or {}
        status: dict[str, Any] = found.get("status") or {}
        listed: list[dict[str, str]] = status.get("conditions") or []
        conditions = {each["type"]: each for each in listed}
        for kind in ("Denied", "InvalidRequest"):
            if conditions.get(kind, {}).get("status") == "True":
                raise UserError(f"{kind}: {conditions[kind].get('message', '')}", hint)
        ready = conditions.get("Ready", {})
        if ready.get("status") == "True" and status.get("certificate"):
            return status
        if ready.get("reason") in ("Failed", "Denied"):
            raise UserError(f"The issuer didn't sign: {ready.get('message', '')}", hint)
        sleep(POLL_SECONDS)
    raise UserError(f"The issuer hasn't answered for {SECONDS:.0f} s.", hint)


def _text(status: Mapping[str, Any], key: str) -> bytes:
    return base64.b64decode(status.get(key) or "")


def joined(old: bytes, new: bytes, now: datetime) -> bytes:
    """Every authority that still counts, in PEM form: the new ones first, each once."""
    found: dict[bytes, None] = {}
    for text in (new, old):
        try:
            certificates = x509.load_pem_x509_certificates(text) if text else []
        except ValueError:
            certificates = []
        for each in certificates:
            if each.not_valid_after_utc > now:
                found[each.public_bytes(Encoding.PEM)] = None
    return b"".join(found)
