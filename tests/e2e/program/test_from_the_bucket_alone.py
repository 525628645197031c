"""A cluster is lost with all its volumes. A new one gets the database and the sessions from the bucket alone.

The commands are those of docs/production.md, "When the cluster is lost".
"""

from __future__ import annotations

import base64
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path

import pytest
from cluster_objects import wait_until
from data_stack import DataStack
from s3_gateway import S3, gateway
from shared_sandbox import Sandbox

from filewallball import paths
from filewallball.sandbox import cluster, process

NAME = "reborn"
PORT = 9000
BUCKET, PREFIX = "kept-backups", "dev/"
ROWS = (
    "CREATE TABLE files (id INT PRIMARY KEY AUTO_INCREMENT, name VARCHAR(80), size DOUBLE);"
    "INSERT INTO files (name, size) VALUES ('남는 글 🎉', 0.1), ('b', NULL);"
    "CREATE TRIGGER bigger BEFORE INSERT ON files FOR EACH ROW SET NEW.size = NEW.size * 2;"
    "CREATE DEFINER=filewallball_app VIEW large AS SELECT * FROM files WHERE size > 1;"
    "CREATE FUNCTION doubled(x INT) RETURNS INT RETURN 2 * x;"
    "CREATE DEFINER=filewallball_app VIEW called AS SELECT doubled(id) AS twice FROM files;"
)


@contextmanager
def one_life(folder: Path) -> Generator[tuple[DataStack, S3]]:
    """A cluster from nothing, the store beside it, and the stack in it; all but the store's folder goes."""
    try:
        kubeconfig = cluster.up(NAME)
        supervisor = process.running(paths.sandbox_dir(NAME))
        assert supervisor
        inside = ["nsenter", f"--net=/proc/{supervisor.pid}/ns/net"]
        address = f"{cluster.status(NAME).address}:{PORT}"
        with gateway(folder, address=address, wrapper=inside) as store:
            (store.data / BUCKET).mkdir(exist_ok=True)
            stack = DataStack(folder, NAME, Sandbox(NAME, kubeconfig))
            where = {"bucket": BUCKET, "prefix": PREFIX, "endpoint": store.endpoint}
            stack.write(backup={"store": {"inCluster": False, "credentialsSecret": "backup-keys", **where}})
            keys = (f"access-key={store.access_key}", f"secret-key={store.secret_key}")
            literals = [f"--from-literal={each}" for each in keys]
            stack.up()
            stack.sandbox.kubectl("-n", NAME, "create", "secret", "generic", "backup-keys", *literals)
            yield stack, store
    finally:
        cluster.down(NAME, purge=True)


@pytest.mark.nightly
def test_a_new_cluster_from_the_bucket_alone(tmp_path: Path) -> None:
    with one_life(tmp_path) as (stack, _):
        stack.sql(ROWS)
        assert valkey(stack, "SET", "session:1", "logged in", "EX", "100000") == "OK"
        assert "backup: OK" in stack.fwb("backup", "now", NAME)
        assert "snapshot: OK" in stack.fwb("valkey", "backup", "now", NAME)

    with one_life(tmp_path) as (stack, _):
        assert stack.sql("SHOW TABLES") == ""
        assert "restore: OK" in stack.fwb("restore", NAME, "--latest", "--yes")
        assert stack.log_in(password(stack, "mariadb")) == "filewallball_app@%"
        assert stack.sql("SELECT name, size FROM files ORDER BY id") == "남는 글 🎉\t0.1\nb\tNULL"
        assert stack.sql("INSERT INTO files (name, size) VALUES ('c', 3); SELECT size FROM large") == "6"
        assert stack.sql("SELECT twice FROM called ORDER BY 1 LIMIT 1") == "2"
        assert "restore: OK" in stack.fwb("valkey", "restore", NAME, "--latest", "--yes")
        wait_until(lambda: valkey(stack, "GET", "session:1") == "logged in", "the session")
        # A pod sees a Secret that was made after its start when kubelet looks again, once a minute.
        shipped = ("check", NAME, "recovery-point")
        wait_until(lambda: "OK" in stack.run(*shipped).stdout, "the log to be shipped")
        assert "FAILED" not in stack.fwb("check", NAME, "--quick")


def password(stack: DataStack, server: str) -> str:
    """The application's."""
    secret = stack.sandbox.kube.get("v1", "Secret", f"{server}-credentials", NAME)
    assert secret
    return base64.b64decode(secret["data"]["app-password"]).decode()


def valkey(stack: DataStack, *words: str) -> str:
    """What the primary answers to the application's user."""
    client = ["valkey-cli", "-s", "/run/valkey/valkey.sock", "--no-auth-warning"]
    client += ["--pass", password(stack, "valkey")]

    def asked(pod: str, *command: str) -> str:
        inside = ["exec", pod, "-c", "valkey", "--", *client, *command]
        return stack.sandbox.kubectl("-n", NAME, *inside).stdout.strip()

    pods = [f"valkey-{number}" for number in range(3)]
    return next(asked(pod, *words) for pod in pods if asked(pod, "ROLE").startswith("master"))
