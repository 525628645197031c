"""Wrong configurations as others write them: each is refused at the dotted path of the setting to change."""

from __future__ import annotations

from typing import Any

import pytest
from program_run import DEV, PRD, merged

import settings

WRONG: list[tuple[dict[str, Any], str, str]] = [
    # An image of another series, or of another server.
    ({"mariadb": {"image": "mariadb:5.5"}}, "mariadb.image", "another version than MariaDB 10.11"),
    ({"mariadb": {"image": "docker.io/library/mariadb:11.4"}}, "mariadb.image", "another version"),
    ({"mariadb": {"image": "mariadb:10.6.18-focal"}}, "mariadb.image", "write a tag such as 10.11"),
    ({"mariadb": {"image": "mariadb:10.1"}}, "mariadb.image", "another version"),
    ({"mariadb": {"image": "mariadb:lts"}}, "mariadb.image", "the tag lts names no version"),
    ({"mariadb": {"image": "mysql:8.0"}}, "mariadb.image", "an image of mysql, where MariaDB is meant"),
    ({"mariadb": {"image": "registry.example:5000/db/postgres:16"}}, "mariadb.image", "an image of postgres"),
    ({"redis": {"image": "redis:6.2"}}, "redis.image", "another version than Redis 7.2"),
    ({"redis": {"image": "redis:8"}}, "redis.image", "another version"),
    ({"redis": {"image": "redis:7.8"}}, "redis.image", "another version"),
    ({"redis": {"image": "docker.io/library/redis:alpine"}}, "redis.image", "names no version"),
    ({"redis": {"image": "valkey/valkey:8.1"}}, "redis.image", "an image of valkey, where Redis is meant"),
    ({"valkey": {"image": "redis:7.2"}}, "valkey.image", "an image of redis, where Valkey is meant"),
    ({"valkey": {"image": "valkey/valkey:7.2.9-alpine"}}, "valkey.image", "another version"),
    ({"valkey": {"image": "valkey/valkey:unstable"}}, "valkey.image", "names no version"),
    ({"backup": {"store": {"image": "minio/minio:1.8"}}}, "backup.store.image", "an image of minio"),
    ({"backup": {"store": {"image": "ghcr.io/versity/versitygw:v1.0.2"}}}, "backup.store.image", "version"),
    # A number where a switch is meant, and the other way round.
    ({"valkey": {"replicas": True}}, "valkey.replicas", "a switch, where a number is meant"),
    ({"valkey": {"quorum": True}}, "valkey.quorum", "a switch, where a number is meant"),
    ({"backup": {"maxAgeHours": False}}, "backup.maxAgeHours", "a switch, where a number is meant"),
    ({"checks": {"cacheLatencyMs": float("inf")}}, "checks.cacheLatencyMs", "finite number"),
    ({"checks": {"cacheLatencyMs": True}}, "checks.cacheLatencyMs", "a switch"),
    ({"mariadb": {"maxConnections": "many"}}, "mariadb.maxConnections", "not a whole number"),
    ({"disposable": 3}, "disposable", "write true or false"),
    # Encrypted connections.
    ({"tls": {"enabled": 3}}, "tls.enabled", "write true or false"),
    ({"tls": {"on": True}}, "tls.on", "no such key"),
    ({"tls": {"certManager": {"issuer": "ca"}}}, "tls.certManager", "write tls.enabled: true"),
    ({"tls": {"enabled": True, "certManager": {"issuer": "My CA"}}}, "tls.certManager.issuer", ""),
    ({"tls": {"enabled": True, "certManager": {"issuer": "ca", "kind": "Certificate"}}},
     "tls.certManager.kind", "ClusterIssuer"),
    ({"tls": {"enabled": True, "resources": {"memoryLimit": "1Mi"}}}, "tls.resources.memoryLimit", "16Mi"),
    # The balancer.
    ({"balancer": {"enabled": True}}, "balancer.enabled", "write app.enabled: true as well"),
    ({"balancer": {"image": "nginx:1.18"}}, "balancer.image", "another version than Nginx 1.30"),
    ({"balancer": {"image": "nginx:stable"}}, "balancer.image", "names no version"),
    ({"balancer": {"hosts": ["a.kr; return 200"]}}, "balancer.hosts.0", "not the name of a host"),
    ({"balancer": {"hosts": ["mincenter.kr:80"]}}, "balancer.hosts.0", "without a port"),
    ({"balancer": {"hosts": []}}, "balancer.hosts", "write"),
    ({"balancer": {"service": {"nodePort": 30080}}}, "balancer.service.nodePort", "type: NodePort"),
    ({"balancer": {"service": {"type": "NodePort", "nodePort": 80}}}, "balancer.service.nodePort", "30000"),
    ({"balancer": {"ingress": {}, "route": {"gateway": "g"}}}, "balancer.route", "exclude each other"),
    ({"balancer": {"tlsSecret": "t", "ingress": {}}}, "balancer.tlsSecret", "would only be redirected"),
    ({"balancer": {"trustedProxies": ["10.0.0.1/8"]}}, "balancer.trustedProxies.0", "no bit set behind"),
    # Sizes.
    ({"redis": {"resources": {"memoryLimit": "128"}}}, "redis.resources.memoryLimit", "only 128 bytes"),
    ({"valkey": {"agentResources": {"memoryLimit": "64"}}}, "valkey.agentResources.memoryLimit", "64 bytes"),
    ({"mariadb": {"resources": {"memoryLimit": "200Mi", "memory": "100Mi"}}}, "mariadb.resources.memoryLimit",
     "mariadb.bufferPool 128Mi (the default) leaves too little of mariadb.resources.memoryLimit 200Mi"),
    ({"mariadb": {"storage": {"size": "5gb"}}}, "mariadb.storage.size", "not a quantity"),
    # Schedules.
    ({"backup": {"schedule": "0 2 31 2 *"}}, "backup.schedule", "never runs"),
    ({"backup": {"schedule": "0 2 31 4,6,9,11 *"}}, "backup.schedule", "never runs"),
    ({"backup": {"schedule": "0 2 * * 7"}}, "backup.schedule", "'7' is no day of week"),
    ({"backup": {"schedule": "0 2 * * mon"}}, "backup.schedule", "or a maxAgeHours of 169 or more"),
    ({"backup": {"maxAgeHours": 24}}, "backup.maxAgeHours", "leaves up to 24 h between two runs"),
    ({"backup": {"schedule": "0 2 1 1 *"}}, "backup.schedule", "write a schedule that runs more often"),
    ({"valkey": {"snapshots": {"schedule": "0 4 * * *"}}}, "valkey.snapshots.schedule", "maxAgeHours of 25"),
    # The cluster's network.
    ({"cluster": {"dns": {"ports": [0]}}}, "cluster.dns.ports.0", "from 1 to 65535"),
    ({"cluster": {"dns": {"ports": []}}}, "cluster.dns.ports", "write one item or more"),
    ({"cluster": {"dns": {"namespaces": "kube-system"}}}, "cluster.dns.namespaces", "not a list"),
    ({"cluster": {"dns": {"addresses": ["10.96.0.10/24"]}}}, "cluster.dns.addresses.0", "block of addresses"),
    ({"cluster": {"dns": {"addresses": ["dns.example"]}}}, "cluster.dns.addresses.0", "block of addresses"),
    ({"cluster": {"apiServerPorts": [True]}}, "cluster.apiServerPorts.0", "not a port"),
    ({"cluster": {"apiServerPorts": ["https"]}}, "cluster.apiServerPorts.0", "not a port"),
    # Names and places.
    ({"timeZone": "posix/Asia/Seoul"}, "timeZone", "another time on each machine"),
    ({"timeZone": "KST+9"}, "timeZone", "no such time zone"),
    ({"namespace": "kube-system"}, "namespace", "belongs to Kubernetes itself"),
    ({"namespace": "default"}, "namespace", "belongs to Kubernetes itself"),
    ({"mariadb": {"storage": {"hostPath": "/etc/mysql", "node": "n"}}}, "mariadb.storage.hostPath", "folder"),
    ({"mariadb": {"storage": {"hostPath": "/srv/../x", "node": "n"}}}, "mariadb.storage.hostPath", "folder"),
    ({"backup": {"store": {"addressing": "path"}}}, "backup.store.addressing", "a store in the cluster"),
    ({"backup": {"store": {"ca": {"secret": "own"}}}}, "backup.store.ca", "a store in the cluster"),
    ({"backup": {"store": {"region": "us_east"}}}, "backup.store.region", "write letters, digits and -"),
    ({"backup": {"store": {"region": "1234"}}}, "backup.store.region", "not a region's name"),
    ({"backup": {"store": {"prefix": "../other/"}}}, "backup.store.prefix", "not a key prefix"),
    ({"backup": {"store": {"prefix": "a//b/"}}}, "backup.store.prefix", "not a key prefix"),
    ({"backup": {"store": {"bucket": "192.168.1.10"}}}, "backup.store.bucket", "not a bucket's name"),
    ({"backup": {"store": {"bucket": "my..bucket"}}}, "backup.store.bucket", "not a bucket's name"),
    ({"backup": {"store": {"region": "eu central"}}}, "backup.store.region", "not a region's name"),
    ({"backup": {"store": {"region": ""}}}, "backup.store.region", "not a region's name"),
    ({"checks": {"serviceAccountAnnotations": {"role arn": "x"}}},
     "checks.serviceAccountAnnotations.role arn.[key]", "not an annotation's name"),
]  # fmt: skip


@pytest.mark.parametrize(("change", "path", "part"), WRONG)
def test_each_is_refused_at_the_path_of_the_setting_to_change(
    change: dict[str, Any], path: str, part: str
) -> None:
    with pytest.raises(settings.SettingsError) as raised:
        settings.load(merged(DEV, change), "test")
    assert {found for found, _, _ in raised.value.faults} == {path}
    assert part in str(raised.value)
    assert f"  {path} = " in str(raised.value)
    assert "{." not in str(raised.value)


@pytest.mark.parametrize(
    "change",
    [
        {"mariadb": {"image": "mariadb:10.11.8-jammy"}},
        {"mariadb": {"image": "mariadb:10"}},
        {"mariadb": {"image": "registry.example:5000/mirror/mariadb:prod"}},
        {"mariadb": {"image": "registry.example/team/database:2026-11-01"}},
        {"mariadb": {"image": "registry.example:5000/mariadb@sha256:" + "0" * 64}},
        {"redis": {"image": "redis:7"}},
        {"redis": {"image": "redis:7.4.1-alpine3.20"}},
        {"valkey": {"image": "valkey/valkey:8.1-alpine"}},
        {"backup": {"store": {"image": "ghcr.io/versity/versitygw:v1.9.0"}}},
        {"backup": {"schedule": "0 2 1 * *", "maxAgeHours": 745}},
        {"mariadb": {"storage": {"hostPath": "/data", "node": "n"}}},
        {"backup": {"store": {"prefix": "team/dev.1/"}}},
    ],
)
def test_its_right_neighbours_are_taken(change: dict[str, Any]) -> None:
    assert settings.load(merged(DEV, change), "test")


def test_a_digest_does_not_hide_another_series() -> None:
    digest = "@sha256:" + "0" * 64
    with pytest.raises(settings.SettingsError, match=r"redis\.image = .*another version than Redis"):
        settings.load(merged(PRD, {"redis": {"image": f"docker.io/library/redis:5.0{digest}"}}), "prd")
