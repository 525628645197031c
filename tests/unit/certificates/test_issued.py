"""Certificates that an issuer of cert-manager signs, with a stand-in that answers as its controllers do."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from test_keeper import CACHE, Cluster

from facts.tls import AUTHORITY, CA, CERTIFICATE, DAYS, ISSUER, RENEW, Issuer
from filewallball.certificates import authority, leaf, requests
from filewallball.certificates.__main__ import issuer_in
from filewallball.certificates.authority import Pair
from filewallball.certificates.issued import IssuedKeeper
from filewallball.errors import ConfigError, UserError
from filewallball.kube import KubeError
from filewallball.kube.errors import UnknownKind

NOW = datetime(2026, 3, 1, tzinfo=UTC)
WHO = Issuer("ClusterIssuer", "company")


class CertManager(Cluster):
    """A cluster whose issuer signs at once. `answer`: what becomes of a request in place of that."""

    def __init__(self) -> None:
        super().__init__(redis=["10.96.1.2"])
        del self.objects["Secret", AUTHORITY]
        self.signer: Pair = authority.made("company", NOW)
        self.now = NOW
        self.answer: dict[str, Any] | None = None
        self.missing = False

    def create(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        if self.missing:
            raise UnknownKind("cert-manager.io/v1", "CertificateRequest")
        spec = manifest["spec"]
        assert spec["issuerRef"] == {"group": "cert-manager.io", "kind": WHO.kind, "name": WHO.name}
        request = x509.load_pem_x509_csr(base64.b64decode(spec["request"]))
        assert request.is_signature_valid
        names = request.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
        certificate = (
            x509.CertificateBuilder()
            .subject_name(request.subject)
            .issuer_name(self.signer.certificate.subject)
            .public_key(request.public_key())
            .serial_number(x509.random_serial_number())
            .not_valid_before(self.now)
            .not_valid_after(self.now + timedelta(hours=int(spec["duration"].removesuffix("h"))))
            .add_extension(names, critical=False)
            .sign(self.signer.key, hashes.SHA256())
        )
        signed = Pair(certificate, self.signer.key).certificate_pem
        status = {
            "conditions": [{"type": "Ready", "status": "True", "reason": "Issued"}],
            "certificate": base64.b64encode(signed).decode(),
            "ca": base64.b64encode(self.signer.certificate_pem).decode(),
        }
        found = {**manifest, "status": status if self.answer is None else self.answer}
        self.objects["CertificateRequest", manifest["metadata"]["name"]] = found
        return found

    def get(
        self, api_version: str, kind: str, name: str, namespace: str | None = None
    ) -> dict[str, Any] | None:
        return super().get("v1" if kind == "CertificateRequest" else api_version, kind, name, namespace)

    def delete(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> bool:
        return self.objects.pop((kind, name), None) is not None

    def shown(self) -> x509.Certificate:
        return x509.load_pem_x509_certificate(self.files()[CERTIFICATE])

    def trusted(self) -> list[x509.Certificate]:
        bundle = self.objects["ConfigMap", AUTHORITY]["data"][CA].encode()
        assert self.files()[CA] == bundle
        return x509.load_pem_x509_certificates(bundle)


def renew(cluster: CertManager, now: datetime = NOW, issuer: Issuer = WHO) -> list[str]:
    said: list[str] = []
    cluster.now = now
    IssuedKeeper(cluster, "shop", None, said.append, issuer).renew([CACHE], now)
    return said


@pytest.fixture
def cluster(monkeypatch: pytest.MonkeyPatch) -> CertManager:
    monkeypatch.setattr(requests, "SECONDS", 2.0)
    monkeypatch.setattr(requests, "POLL_SECONDS", 1.0)
    found = CertManager()
    renew(found)
    return found


def test_the_issuer_signs_for_every_name_and_address(cluster: CertManager) -> None:
    names = leaf.names_in(cluster.shown())
    assert "redis.shop.svc" in names.dns
    assert "10.96.1.2" in names.addresses
    cluster.shown().verify_directly_issued_by(cluster.signer.certificate)
    assert cluster.trusted() == [cluster.signer.certificate]
    assert not [kind for kind, _ in cluster.objects if kind == "CertificateRequest"]


def test_one_that_is_good_is_never_asked_for_again(cluster: CertManager) -> None:
    before = cluster.shown()
    for days in (0, 1, DAYS * 2 / 3 - 1):
        assert renew(cluster, NOW + timedelta(days=days)) == []
    assert cluster.shown() == before


@pytest.mark.parametrize("why", ["little left", "address", "annotation", "issuer"])
def test_one_that_is_not_is_asked_for(cluster: CertManager, why: str) -> None:
    before, now = cluster.shown(), NOW
    secret = cluster.objects["Secret", "redis-tls"]
    if why == "little left":
        now += timedelta(days=DAYS * 2 / 3 + 1)
    elif why == "address":
        cluster.objects["Service", "redis"]["spec"] = {"clusterIP": "10.96.7.7"}
    elif why == "annotation":
        secret["metadata"]["annotations"][RENEW] = "now"
    else:
        secret["metadata"]["annotations"][ISSUER] = "Issuer/another"
    assert len(renew(cluster, now)) == 1
    assert cluster.shown() != before
    assert renew(cluster, now) == []


def test_another_ca_is_published_before_its_certificate_is_shown(cluster: CertManager) -> None:
    before, first = cluster.shown(), cluster.signer.certificate
    cluster.signer = authority.made("company", NOW + timedelta(days=1))
    now = NOW + timedelta(days=DAYS * 2 / 3 + 1)
    assert "another CA" in " ".join(renew(cluster, now))
    assert cluster.shown() == before
    assert cluster.trusted() == [cluster.signer.certificate, first]
    renew(cluster, now + timedelta(days=1))
    cluster.shown().verify_directly_issued_by(cluster.signer.certificate)


@pytest.mark.parametrize(
    ("status", "said"),
    [
        ({"conditions": [{"type": "Denied", "status": "True", "message": "no"}]}, "Denied: no"),
        ({"conditions": [{"type": "InvalidRequest", "status": "True", "message": "x"}]}, "InvalidRequest: x"),
        (
            {"conditions": [{"type": "Ready", "status": "False", "reason": "Failed", "message": "policy"}]},
            "didn't sign: policy",
        ),
        ({"conditions": [{"type": "Ready", "status": "False", "reason": "Pending"}]}, "hasn't answered"),
        ({}, "hasn't answered"),
        (
            {
                "conditions": [{"type": "Ready", "status": "True", "reason": "Issued"}],
                "certificate": base64.b64encode(b"x").decode(),
            },
            "doesn't give its CA certificate",
        ),
    ],
)
def test_an_issuer_that_does_not_sign_is_told(
    cluster: CertManager, status: dict[str, Any], said: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    cluster.answer = status
    monkeypatch.setattr(requests, "POLL_SECONDS", 0.5)
    before = cluster.files()
    with pytest.raises(UserError, match=said) as error:
        requests.sign(cluster, "shop", WHO, "redis-tls-request", _request(), lambda _: None)
    assert error.value.hint.endswith(".")
    assert cluster.files() == before


def _request() -> bytes:
    return leaf.requested("redis", leaf.Names.of(["redis"], []))[1]


def test_a_cluster_without_cert_manager_or_rights_is_told(cluster: CertManager) -> None:
    cluster.missing = True
    with pytest.raises(UserError, match="has no cert-manager"):
        requests.sign(cluster, "shop", WHO, "redis-tls-request", _request(), lambda _: None)


def test_a_refusal_names_the_request(cluster: CertManager, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(_manifest: Mapping[str, Any]) -> dict[str, Any]:
        raise KubeError(403, "Forbidden", "may not")

    monkeypatch.setattr(cluster, "create", refuse)
    with pytest.raises(UserError, match="redis-tls-request can't be made or read: may not"):
        requests.sign(cluster, "shop", WHO, "redis-tls-request", _request(), lambda _: None)


def test_the_environment_names_the_issuer() -> None:
    assert issuer_in({}) is None
    assert issuer_in({"FWB_CERTIFICATES_ISSUER": str(WHO)}) == WHO
    for text in ("company", "/company", "Issuer/"):
        with pytest.raises(ConfigError, match="FWB_CERTIFICATES_ISSUER"):
            issuer_in({"FWB_CERTIFICATES_ISSUER": text})
