"""The data lies on a bound volume; on disposable stacks: it is still there after the pod was deleted."""

# ruff: noqa: S608 (names of tables are made here; values are parameters)

from __future__ import annotations

import secrets
import time
from typing import Any

import pymysql

from facts.checks.mariadb import MariadbTarget
from filewallball import pods
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed
from filewallball.checks.suites.mariadb_session import Tables, connected, query
from filewallball.kube import Kube

RESTART_SECONDS = 150.0
POLL_SECONDS = 0.3


def persistence(config: ChecksConfig) -> str:
    """Look at the claim; then write a row, delete the pod, and read the row from its successor."""
    with Kube.connect() as kube:
        volume = bound_volume(kube, config)
        pod_name = mounting_pod(kube, config)
        if not config.disposable:
            return f"{volume}; the pod was left alone, the stack isn't marked as disposable"
        before = kube.get("v1", "Pod", pod_name, config.namespace)
        if before is None or not pods.is_ready(before):
            raise CheckFailed(
                f"pod {pod_name} isn't ready before the test: {pods.state(before)}",
                "a running MariaDB",
                f"Look at `kubectl -n {config.namespace} describe pod {pod_name}`.",
            )
        spent = _survive(kube, config, pod_name, before["metadata"]["uid"])
    return f"{volume}; the row was there again {spent:.1f} s after pod {pod_name} was deleted"


def bound_volume(kube: Kube, config: ChecksConfig) -> str:
    """Raises CheckFailed unless the claim is there and bound."""
    name, namespace = config[MariadbTarget].claim, config.namespace
    claim = kube.get("v1", "PersistentVolumeClaim", name, namespace)
    if claim is None:
        raise CheckFailed(
            f"there is no claim {name}", "a bound claim", "Run `fwb up`, which makes the claim."
        )
    if claim["status"].get("phase") != "Bound":
        phase = claim["status"].get("phase", "unknown")
        raise CheckFailed(
            f"claim {name} is {phase}",
            "Bound",
            f"Look at `kubectl -n {namespace} describe pvc {name}`, which says what it waits for. If it is "
            "the StorageClass, set filewallball:mariadb.storage.storageClass.",
        )
    size = claim["status"].get("capacity", {}).get("storage", "?")
    return f"claim {name} bound, {size}"


def mounting_pod(kube: Kube, config: ChecksConfig) -> str:
    """The name of MariaDB's pod. Raises CheckFailed if it keeps its data anywhere but on the claim."""
    name, claim = config[MariadbTarget].statefulset, config[MariadbTarget].claim
    found = kube.get("apps/v1", "StatefulSet", name, config.namespace)
    if found is None:
        raise CheckFailed(f"there is no StatefulSet {name}", "one that runs MariaDB", "Run `fwb up`.")
    volumes: list[dict[str, Any]] = found["spec"]["template"]["spec"].get("volumes") or []
    claims = [
        volume["persistentVolumeClaim"]["claimName"]
        for volume in volumes
        if "persistentVolumeClaim" in volume
    ]
    if claim not in claims:
        raise CheckFailed(
            f"StatefulSet {name} mounts {', '.join(claims) or 'no claim'}",
            f"it keeps its data on the claim {claim}",
            "Without the claim the data are lost with the pod. Run `fwb up`, which mounts it.",
        )
    return f"{name}-0"


def _survive(kube: Kube, config: ChecksConfig, pod: str, uid: str) -> float:
    run, mark = Tables(), secrets.token_hex(8)
    table = run.name("persistence")
    try:
        with connected(config[MariadbTarget]) as connection:
            run.claim(connection)
            run.sweep(connection)
            query(connection, f"CREATE TABLE `{table}` (mark VARCHAR(32) NOT NULL)")
            query(connection, f"INSERT INTO `{table}` VALUES (%s)", [mark])
        begin = time.monotonic()
        kube.delete("v1", "Pod", pod, config.namespace, uid=uid)
        _wait_for_successor(kube, config, pod, uid)
        rows = _read(config, run, table)
        spent = time.monotonic() - begin
    finally:
        with connected(config[MariadbTarget]) as connection:
            run.drop(connection)
    if rows != [(mark,)]:
        raise CheckFailed(
            f"after the pod was deleted the row reads {rows or 'nothing'}",
            f"{mark}, as written and committed before",
            "The data directory isn't on the volume, or the volume was replaced. Look at "
            f"`kubectl -n {config.namespace} describe pod {pod}`.",
        )
    return spent


def _wait_for_successor(kube: Kube, config: ChecksConfig, pod: str, uid: str) -> None:
    deadline = time.monotonic() + RESTART_SECONDS
    now = None
    while time.monotonic() < deadline:
        now = kube.get("v1", "Pod", pod, config.namespace)
        if now and now["metadata"]["uid"] != uid and pods.is_ready(now):
            return
        time.sleep(POLL_SECONDS)
    raise CheckFailed(
        f"pod {pod} wasn't ready again {RESTART_SECONDS:.0f} s after it was deleted: {pods.state(now)}",
        "the StatefulSet brings it back",
        f"Look at `kubectl -n {config.namespace} describe pod {pod}` and at "
        f"`kubectl -n {config.namespace} logs {pod}`, which say why.",
    )


def _read(config: ChecksConfig, run: Tables, table: str) -> list[tuple[Any, ...]]:
    """Read the mark back. The Service may need a moment to know the new pod."""
    deadline = time.monotonic() + 20
    while True:
        try:
            with connected(config[MariadbTarget]) as connection:
                run.claim(connection)
                return query(connection, f"SELECT mark FROM `{table}`")
        except pymysql.ProgrammingError:
            return []  # no such table: the data is gone
        except pymysql.OperationalError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)
