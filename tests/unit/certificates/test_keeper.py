"""What the Job writes into the Secrets, and what it leaves as it is."""

from __future__ import annotations

import base64
import copy
import ssl
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography import x509

from facts.tls import AUTHORITY, CA, CERTIFICATE, DAYS, KEY, RENEW, Server, read, written
from filewallball.certificates import leaf
from filewallball.certificates.__main__ import domain_in, wanted_in
from filewallball.certificates.cluster import Keeper
from filewallball.errors import ConfigError, UserError
from filewallball.kube import KubeError

NOW = datetime(2026, 3, 1, tzinfo=UTC)
CACHE = Server("redis", ("redis",))


class Cluster:
    """Secrets without content, as the program declares them, and Services."""

    def __init__(self, **services: list[str]) -> None:
        self.objects: dict[tuple[str, str], dict[str, Any]] = {}
        for kind, name in (("Secret", AUTHORITY), ("ConfigMap", AUTHORITY), ("Secret", "redis-tls")):
            self.objects[kind, name] = self._object(kind, name)
        for name, addresses in services.items():
            self.objects["Service", name] = {
                **self._object("Service", name),
                "spec": {"clusterIP": addresses[0], "clusterIPs": addresses},
            }
        self.writes: list[tuple[str, str]] = []
        self.conflicts = 0
        self.refusal: KubeError | None = None

    @staticmethod
    def _object(kind: str, name: str) -> dict[str, Any]:
        return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": "shop"}}

    def get(
        self, api_version: str, kind: str, name: str, namespace: str | None = None
    ) -> dict[str, Any] | None:
        assert (api_version, namespace) == ("v1", "shop")
        return copy.deepcopy(self.objects.get((kind, name)))

    def replace(self, manifest: Mapping[str, Any]) -> dict[str, Any]:
        if self.refusal:
            raise self.refusal
        if self.conflicts:
            self.conflicts -= 1
            raise KubeError(409, "Conflict", "the object has been modified")
        key = manifest["kind"], manifest["metadata"]["name"]
        self.writes.append(key)
        self.objects[key] = copy.deepcopy(dict(manifest))
        return self.objects[key]

    def files(self, name: str = "redis-tls") -> dict[str, bytes]:
        data = self.objects["Secret", name].get("data") or {}
        return {key: base64.b64decode(text) for key, text in data.items()}


def renew(cluster: Cluster, now: datetime = NOW, server: Server = CACHE) -> list[str]:
    said: list[str] = []
    Keeper(cluster, "shop", "cluster.local", said.append).renew([server], now)
    return said


@pytest.fixture
def cluster() -> Cluster:
    found = Cluster(redis=["10.96.1.2", "fd00::2"])
    renew(found)
    return found


def serial(cluster: Cluster) -> int:
    return x509.load_pem_x509_certificate(cluster.files()[CERTIFICATE]).serial_number


def test_it_names_every_name_and_address_of_its_services(cluster: Cluster, tmp_path: Path) -> None:
    names = leaf.names_in(x509.load_pem_x509_certificate(cluster.files()[CERTIFICATE]))
    assert names.dns == {
        "localhost", "redis", "redis.shop", "redis.shop.svc", "redis.shop.svc.cluster.local",
    }  # fmt: skip
    assert names.addresses == {"127.0.0.1", "::1", "10.96.1.2", "fd00::2"}
    # Servers and clients can use it.
    for name, content in cluster.files().items():
        (tmp_path / name).write_bytes(content)
    ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER).load_cert_chain(tmp_path / CERTIFICATE, tmp_path / KEY)
    bundle = cluster.objects["ConfigMap", AUTHORITY]["data"]
    assert bundle == {CA: cluster.files()[CA].decode()}


def test_a_headless_service_gives_names_alone() -> None:
    cluster = Cluster(redis=["None"])
    renew(cluster)
    names = leaf.names_in(x509.load_pem_x509_certificate(cluster.files()[CERTIFICATE]))
    assert names.addresses == {"127.0.0.1", "::1"}


def test_one_that_is_good_is_never_changed(cluster: Cluster) -> None:
    cluster.writes.clear()
    for days in (0, 1, DAYS * 2 / 3 - 1):
        assert renew(cluster, NOW + timedelta(days=days)) == []
    assert cluster.writes == []


@pytest.mark.parametrize("fault", ["little left", "address", "service", "missing", "other key", "annotation"])
def test_one_that_is_not_is_made_anew(cluster: Cluster, fault: str) -> None:
    before, now, server = serial(cluster), NOW, CACHE
    secret = cluster.objects["Secret", "redis-tls"]
    if fault == "little left":
        now += timedelta(days=DAYS * 2 / 3 + 1)
    elif fault == "address":
        cluster.objects["Service", "redis"]["spec"] = {"clusterIP": "10.96.7.7"}
    elif fault == "service":
        cluster.objects["Service", "more"] = {
            "metadata": {"name": "more"},
            "spec": {"clusterIP": "10.96.1.3"},
        }
        server = Server("redis", ("redis", "more"))
    elif fault == "missing":
        del secret["data"][CERTIFICATE]
    elif fault == "other key":
        other = Cluster(redis=["10.96.1.2"])
        renew(other)
        secret["data"][KEY] = base64.b64encode(other.files()[KEY]).decode()
    else:
        secret["metadata"]["annotations"] = {RENEW: "now", "mine": "kept"}
    [said] = renew(cluster, now, server)
    assert said.startswith("redis-tls: its certificate ")
    assert serial(cluster) != before
    if fault == "annotation":
        assert secret != cluster.objects["Secret", "redis-tls"]
        assert cluster.objects["Secret", "redis-tls"]["metadata"]["annotations"] == {"mine": "kept"}
    assert renew(cluster, now, server) == []


def test_a_successor_s_certificate_is_trusted_before_it_signs_anything(cluster: Cluster) -> None:
    now = NOW
    for _ in range(140):  # ten years, a month at a time, as if the job ran rarely
        now += timedelta(days=26)
        trusted = set(x509.load_pem_x509_certificates(cluster.files()[CA]))
        renew(cluster, now)
        shown = x509.load_pem_x509_certificate(cluster.files()[CERTIFICATE])
        signer = x509.load_pem_x509_certificate(cluster.files(AUTHORITY)["tls.crt"])
        shown.verify_directly_issued_by(signer)
        assert signer in trusted
        assert shown.not_valid_after_utc > now


def test_another_job_at_the_same_moment_does_no_harm() -> None:
    cluster = Cluster(redis=["10.96.1.2"])
    cluster.conflicts = 3
    renew(cluster)
    assert len(cluster.files()) == 3


def test_what_is_missing_or_forbidden_is_told_with_what_to_do(cluster: Cluster) -> None:
    with pytest.raises(UserError, match="The Service gone doesn't exist") as error:
        renew(cluster, server=Server("redis", ("gone",)))
    assert "fwb up" in error.value.hint
    cluster.refusal = KubeError(403, "Forbidden", "may not")
    with pytest.raises(UserError, match="can't be read or written: may not"):
        renew(cluster, NOW + timedelta(days=DAYS))


def test_the_environment_says_which_to_make() -> None:
    assert read(written([CACHE])) == (CACHE,)
    for text in ("", "nonsense", "[1]", '[{"name": "x"}]', "{}x"):
        with pytest.raises(ConfigError, match="FWB_CERTIFICATES"):
            wanted_in({"FWB_CERTIFICATES": text})


def test_the_cluster_s_domain_is_that_of_the_pod() -> None:
    text = "nameserver 10.96.0.10\nsearch shop.svc.example.org svc.example.org example.org\noptions ndots:5\n"
    assert domain_in(text, "shop") == "example.org"
    assert domain_in(text, "other") is None
    assert domain_in("", "shop") is None
