"""The pack's rules and Kubernetes' own Pod Security admission never disagree about a pod."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest
from cluster_objects import wait_until
from generated_pods import ephemeral_containers, pods
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from judged_pods import PATHS, REASONS, Server, by_pack, whole
from shared_sandbox import Sandbox

BATCH = 25
"""Pods that are sent at a time, in threads."""
SEEN: Counter[str] = Counter()
"""How often the server said what, over all pods of one test."""
TEMPLATES = [kind for kind in PATHS if kind != "Pod"]
pytestmark = pytest.mark.timeout(600)


def how_many(count: int, *, by_day: bool) -> settings:
    """Settings for so many examples: the same ones each time by day, others each night."""
    return settings(
        max_examples=count,
        derandomize=by_day,
        deadline=None,
        database=None,
        suppress_health_check=list(HealthCheck),
    )


@pytest.fixture
def server(sandbox: Sandbox, namespace: str) -> Iterator[Server]:
    """The server, with a namespace that enforces the standard, and warns of what makes pods."""
    labels = {f"pod-security.kubernetes.io/{mode}": "restricted" for mode in ("enforce", "warn")}
    sandbox.kube.patch("v1", "Namespace", namespace, None, {"metadata": {"labels": labels}})
    wait_until(  # no pod is taken before
        lambda: sandbox.kube.get("v1", "ServiceAccount", "default", namespace) is not None,
        "the namespace's account",
    )
    found = Server.connect(sandbox.kubeconfig, f"fwb-{sandbox.name}", namespace)
    SEEN.clear()
    yield found
    found.transport.close()


def compare(server: Server, manifests: list[dict[str, Any]]) -> None:
    for manifest, verdict in server.judge_all(manifests):
        if verdict is None:
            SEEN["invalid"] += 1
            continue
        SEEN.update(verdict or {"restricted"})
        SEEN["judged"] += 1
        assert by_pack(manifest) == verdict, manifest


BY_DAY_AND_NIGHT = pytest.mark.parametrize("batches", [16, pytest.param(200, marks=pytest.mark.nightly)])


@BY_DAY_AND_NIGHT
def test_they_agree_on_pods(server: Server, batches: int) -> None:
    @how_many(batches, by_day=batches == 16)
    @given(st.lists(pods(), min_size=BATCH, max_size=BATCH))
    def all_of(batch: list[dict[str, Any]]) -> None:
        compare(server, [whole("Pod", pod, server.namespace) for pod in batch])

    all_of()
    assert SEEN["judged"] > 4 * SEEN["invalid"], SEEN
    assert SEEN["restricted"] > SEEN["judged"] / 20, SEEN
    assert set(REASONS.values()) <= set(SEEN), SEEN


@BY_DAY_AND_NIGHT
def test_they_agree_on_what_makes_pods(server: Server, batches: int) -> None:
    made = st.lists(st.tuples(st.sampled_from(TEMPLATES), pods()), min_size=BATCH, max_size=BATCH)

    @how_many(batches, by_day=batches == 16)
    @given(made)
    def all_of(batch: list[tuple[str, dict[str, Any]]]) -> None:
        compare(server, [whole(kind, pod, server.namespace) for kind, pod in batch])

    all_of()
    assert SEEN["judged"] > 4 * SEEN["invalid"], SEEN


@pytest.mark.parametrize("containers", [200, pytest.param(2000, marks=pytest.mark.nightly)])
def test_they_agree_on_containers_that_are_added_to_a_pod(
    sandbox: Sandbox, server: Server, containers: int
) -> None:
    restricted = {"runAsNonRoot": True, "seccompProfile": {"type": "RuntimeDefault"}}
    security = {"allowPrivilegeEscalation": False, "capabilities": {"drop": ["ALL"]}}
    spec = {
        "securityContext": restricted,
        "nodeSelector": {"there-is": "none"},
        "containers": [{"name": "main", "image": "registry.example.org/a:1", "securityContext": security}],
    }
    pod = sandbox.kube.create(
        whole("Pod", {"metadata": {"labels": {"a": "b"}}, "spec": spec}, server.namespace)
    )

    @how_many(containers, by_day=containers == 200)
    @given(ephemeral_containers())
    def all_of(container: dict[str, Any]) -> None:
        verdict = server.judge_ephemeral("generated", container)
        if verdict is None:
            SEEN["invalid"] += 1
            return
        SEEN["judged"] += 1
        SEEN.update(verdict)
        manifest = {**pod, "spec": {**pod["spec"], "ephemeralContainers": [container]}}
        assert by_pack(manifest) == verdict, container

    all_of()
    assert SEEN["judged"] > 4 * SEEN["invalid"], SEEN
    assert {"privileged", "capabilities", "seccomp", "non-root"} <= set(SEEN), SEEN
