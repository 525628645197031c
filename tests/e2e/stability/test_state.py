"""`fwb redis state` against real servers of each topology, whole and broken."""

from __future__ import annotations

import json
import signal
from pathlib import Path
from typing import Any

import pytest
from loopback import Authority
from redis_lab import MASTER, RedisLab, Server, config, free_port, wait_for
from typer.testing import CliRunner

from filewallball.cli import app
from filewallball.errors import ConfigError, UserError
from filewallball.snapshots.settings import Address
from filewallball.stability import servers
from filewallball.stability.keys.wire import Wire
from filewallball.stability.targets import Access, Target


def state(target: str, folder: Path) -> tuple[int, dict[str, Any]]:
    """The exit code, and what the file holds."""
    out = folder / "state.json"
    words = ["redis", "state", target, "--cwd", str(folder), "--out", str(out)]
    ended = CliRunner().invoke(app, words)
    if ended.exception and not isinstance(ended.exception, SystemExit):
        raise ended.exception
    return ended.exit_code, json.loads(out.read_text(encoding="utf-8"))


def failed(document: dict[str, Any], status: str = "failed") -> set[str]:
    return {each["name"] for each in document["results"] if each["status"] == status}


def test_a_stand_alone_server_with_a_password(lab: RedisLab, tmp_path: Path) -> None:
    server = lab.server("maxmemory 100mb", password="s3cret")
    server.client().set("kept", "1")
    server.client().set("brief", "1", ex=1000)
    code, seen = state(server.url, tmp_path)
    assert (code, seen["ok"], seen["deployment"]["kind"]) == (0, True, "stand-alone")
    [node] = seen["nodes"]
    assert (node["keys"], node["expiring"], len(node["expiries"])) == (2, 1, 1)
    assert node["maxmemory"] == 100 << 20
    assert node["version"].startswith("redis ")
    assert set(server.client().keys()) == {"kept", "brief"}
    assert "s3cret" not in (tmp_path / "state.json").read_text()
    with pytest.raises(ConfigError, match="REDIS_PASSWORD_LOCAL"):
        state("local", config(tmp_path, "local", [server]))
    (tmp_path / ".env.local").write_text("REDIS_PASSWORD_LOCAL=s3cret\n")
    assert state("local", tmp_path)[0] == 0


def test_replicas_of_a_primary_that_nobody_watches(lab: RedisLab, tmp_path: Path) -> None:
    primary, replica = lab.replicated(1)
    code, seen = state("local", config(tmp_path, "local", [replica]))
    assert (code, [node["role"] for node in seen["nodes"]]) == (0, ["primary", "replica"])
    primary.send(signal.SIGSTOP)
    code, seen = state("local", tmp_path)
    assert (code, failed(seen)) == (1, {"nodes", "write-read-delete"})


def test_a_sentinel_set_and_its_failover(lab: RedisLab, tmp_path: Path) -> None:
    servers, sentinels = lab.sentinel_set()
    folder = config(tmp_path, "dev", sentinels[:1])
    code, seen = state("dev", folder)
    assert (code, seen["deployment"]["kind"], seen["deployment"]["master"]) == (0, "sentinel", MASTER)
    assert len(seen["deployment"]["sentinels"]) == 3
    assert [node["role"] for node in seen["nodes"]] == ["primary", "replica", "replica"]
    servers[0].stop()
    # It gives the new address before it has turned the old primary into a replica.
    wait_for(lambda: servers[0].port in _replicas(sentinels[0]), 20, lambda: "no failover")
    code, seen = state("dev", folder)
    assert code == 1
    assert "nodes" in failed(seen)
    assert seen["deployment"]["shards"][0]["primary"] != servers[0].address
    (folder / ".env.local").write_text("REDIS_MASTER_DEV=another\n")
    with pytest.raises(ConfigError, match=r"knows mymaster, and not another[\s\S]*REDIS_MASTER_DEV"):
        state("dev", folder)


def _replicas(sentinel: Server) -> set[int]:
    return {int(each["port"]) for each in sentinel.client().sentinel_slaves(MASTER)}


def test_a_cluster_is_found_from_one_node(cluster: list[Server], tmp_path: Path) -> None:
    code, seen = state("local", config(tmp_path, "local", cluster[4:5]))
    deployment = seen["deployment"]
    assert (code, deployment["kind"], deployment["slots_covered"]) == (0, "cluster", 16384)
    assert [shard["primary"] for shard in deployment["shards"]] == [each.address for each in cluster[:3]]
    assert [shard["replicas"] for shard in deployment["shards"]] == [[each.address] for each in cluster[3:]]
    assert not any(each.client().dbsize() for each in cluster)


def test_a_cluster_with_what_can_break_in_it(lab: RedisLab, tmp_path: Path, single: Server) -> None:
    servers = lab.cluster(3, 0)
    folder = config(tmp_path, "local", servers)
    with pytest.raises(ConfigError, match="don't belong together"):
        state("local", config(tmp_path, "local", [servers[0], single]))
    config(tmp_path, "local", servers)
    code, seen = state("local", folder)
    assert (code, failed(seen, "warning")) == (0, {"replicas"})
    ids = [each.client().execute_command("CLUSTER MYID") for each in servers]
    servers[1].client().execute_command("CLUSTER SETSLOT", 100, "IMPORTING", ids[0])
    code, seen = state("local", folder)
    assert (code, failed(seen, "warning")) == (0, {"replicas", "slots"})
    servers[1].client().execute_command("CLUSTER SETSLOT", 100, "STABLE")
    for each in servers:
        each.client().execute_command("CLUSTER DELSLOTS", 5)
    code, seen = state("local", folder)
    assert (code, failed(seen) >= {"slots"}, seen["deployment"]["slots_covered"]) == (1, True, 16383)
    servers[2].stop()
    code, seen = state("local", folder)
    assert (code, failed(seen) >= {"slots", "nodes", "write-read-delete"}) == (1, True)


def test_nobody_answers(lab: RedisLab, tmp_path: Path) -> None:
    server = lab.server()
    server.stop()
    with pytest.raises(UserError, match=f"No node of local answers: {server.address}"):
        state("local", config(tmp_path, "local", [server]))
    assert not (tmp_path / "state.json").exists()


def test_a_certificate_with_another_name_than_the_address(lab: RedisLab, tmp_path: Path) -> None:
    """As behind a forwarded port: the certificate has the name that the server has in its cluster."""
    authority = Authority()
    certificate, key = authority.issue("redis", "redis.example")
    for name, content in (("cert", certificate), ("key", key), ("ca", authority.pem)):
        (tmp_path / name).write_bytes(content)
    names = {"tls-cert-file": "cert", "tls-key-file": "key", "tls-ca-cert-file": "ca"}
    files = (f"{setting} {tmp_path / name}" for setting, name in names.items())
    address = Address("127.0.0.1", free_port())
    lab.server(f"tls-port {address.port}", "tls-auth-clients no", *files)

    def target(name: str | None) -> Target:
        access = Access(tls=True, ca_file=str(tmp_path / "ca"), server_name=name)
        return Target("dev-redis", "stack dev", (address,), access)

    good = target("redis.example")
    with servers.asked(good, address) as client, Wire.to(good, address) as wire:
        assert (client.execute_command("PING"), wire.run("PING")) == (b"PONG", b"PONG")
    for name in (None, "other.example"):
        with pytest.raises(UserError, match="certificate"), servers.asked(target(name), address) as client:
            client.execute_command("PING")
