"""Certificates that an issuer of cert-manager signs, kept where the stack's own would be."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Protocol

from cryptography import x509

from facts.tls import AUTHORITY, CA, CERTIFICATE, ISSUER, KEY, RENEW, Issuer, Server, request_of
from filewallball.certificates import cluster, leaf, requests
from filewallball.certificates.authority import Pair, expired
from filewallball.certificates.cluster import Keeper, Say


class Cluster(cluster.Cluster, requests.Cluster, Protocol):
    """What is used of filewallball.kube.Kube."""


class IssuedKeeper(Keeper):
    """As Keeper, with an authority that lives elsewhere and may change without a word."""

    def __init__(self, found: Cluster, namespace: str, domain: str | None, say: Say, issuer: Issuer) -> None:
        super().__init__(found, namespace, domain, say)
        self._issuers, self._issuer = found, issuer

    def renew(self, wanted: Sequence[Server], now: datetime) -> None:
        for server in wanted:
            self._issue(server, now)

    def _issue(self, server: Server, now: datetime) -> None:
        names = self._names(server)
        held, notes = self._held("Secret", server.secret)
        bundle = self._held("ConfigMap", AUTHORITY)[0].get(CA, b"")
        why = leaf.fault(held, names, None, now)
        if not why and notes.get(ISSUER) != str(self._issuer):
            why = "is signed by another issuer"
        if not why and RENEW in notes:
            why = f"was to be renewed ({RENEW})"
        if not why:
            self._write(server, {**_pair(held), CA: bundle}, f"{server.secret}: {CA} has changed")
            return
        key, request = leaf.requested(server.name, names)
        signed = requests.sign(self._issuers, self._namespace, self._issuer, request_of(server.name), request)
        bundle = requests.joined(bundle, signed.authority, now)
        self._publish(bundle)
        if _lasts(held, now) and not _known(held.get(CA, b""), signed.authority):
            said = (
                f"{server.secret}: the issuer has another CA now; the certificate follows with the next run"
            )
            self._write(server, {**_pair(held), CA: bundle}, said)
            return
        made = {CERTIFICATE: signed.chain, KEY: key, CA: bundle}
        said = f"{server.secret}: its certificate {why}; {self._issuer} signed a new one"
        self._write(server, made, said, signed=True)

    def _write(self, server: Server, files: dict[str, bytes], said: str, *, signed: bool = False) -> None:
        def step(_held: Mapping[str, bytes], notes: dict[str, str]) -> tuple[dict[str, bytes], str]:
            if signed:
                notes.pop(RENEW, None)
                notes[ISSUER] = str(self._issuer)
            return files, said

        self._change("Secret", server.secret, step)


def _pair(held: Mapping[str, bytes]) -> dict[str, bytes]:
    return {name: held[name] for name in (CERTIFICATE, KEY) if name in held}


def _lasts(held: Mapping[str, bytes], now: datetime) -> bool:
    """Whether what a server has can still be shown to clients."""
    pair = Pair.read(held.get(CERTIFICATE), held.get(KEY))
    return pair is not None and not expired(pair.certificate, now)


def _known(bundle: bytes, authority: bytes) -> bool:
    """Whether clients already trust the authority."""
    try:
        trusted = x509.load_pem_x509_certificates(bundle)
        return all(each in trusted for each in x509.load_pem_x509_certificates(authority))
    except ValueError:
        return False
