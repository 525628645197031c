"""What the balancer's drill finds in a stack, and what it changes of it and puts back."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from made_up import place
from made_up_front import NGINX_CONF, OWNERS, SERVERS, Cluster, a_pod, cluster, deployment

from filewallball.drill.balancer import changes
from filewallball.drill.balancer.changes import ANNOTATION, UNDO_FILE, Changes
from filewallball.drill.balancer.front import Front, rolling_out
from filewallball.drill.members import Set
from filewallball.errors import UserError


@pytest.fixture
def kube() -> Cluster:
    return cluster()


@pytest.fixture
def front(kube: Cluster) -> Front:
    return Front.find(place(kube))


# ---- what is found ----


def test_what_a_stack_has(front: Front):
    assert front.servers == {name: (f"10.0.0.{n}", 3000) for n, name in enumerate(SERVERS)}
    assert (front.url, front.site_port, front.balancers) == ("http://balancer", 8080, 2)
    assert (front.image, front.app_image) == ("docker.io/library/nginx:1.30", "filewallball/app:1")
    assert front.silence_seconds == 4.0
    assert front.not_ready() == ""


def test_users_come_encrypted_where_the_balancer_is(kube: Cluster):
    kube.objects["Service", "balancer"]["spec"]["ports"].append({"port": 443})
    front = Front.find(place(kube))
    assert (front.url, front.site_port) == ("https://balancer", 8443)


@pytest.mark.parametrize(
    ("missing", "setting"),
    [(("Deployment", "balancer"), "balancer"), (("StatefulSet", "app"), "app"), (("Service", "app-1"), "app"),
     (("ConfigMap", "balancer-1"), "balancer")],
)  # fmt: skip
def test_stack_without_what_is_drilled(kube: Cluster, missing: tuple[str, str], setting: str):
    del kube.objects[missing]
    with pytest.raises(
        UserError, match=rf"There is no {missing[0]}[\s\S]*filewallball:{setting}.enabled: true"
    ):
        Front.find(place(kube))


@pytest.mark.parametrize(
    ("change", "why"),
    [
        ({"observedGeneration": 2}, "not seen by its controller yet"),
        ({"updatedReplicas": 1}, "1 updatedReplicas, not 2"),
        ({"availableReplicas": 1}, "1 availableReplicas, not 2"),
        ({"replicas": 3}, "3 replicas, not 2"),
        ({}, ""),
    ],
)
def test_a_rollout_is_over_when_everything_says_so(change: dict[str, int], why: str):
    one = deployment("balancer", 2, [])
    one["status"] |= change
    assert rolling_out(one) == why


def test_pods_that_have_restarted_are_replaced(kube: Cluster, front: Front, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(Set, "settle", lambda *_: None)
    kube.objects["Pod", "app-1"] = a_pod("app-1", "app", 2)
    kube.objects["Pod", "balancer-b"] = a_pod("balancer-b", "balancer", 1)
    front.settle(1)
    assert kube.deleted == ["app-1", "balancer-b"]


def test_a_pod_that_is_not_ready_is_named(kube: Cluster, front: Front):
    kube.objects["Pod", "app-2"] = a_pod("app-2", "app", ready="False")
    with pytest.raises(UserError, match="pod app-2 isn't ready"):
        front.settle(0)


# ---- changes ----


def test_configuration_there_and_back_leaves_no_trace(kube: Cluster, front: Front, tmp_path: Path):
    change = Changes(front, tmp_path)
    assert change.turn("configuration", changes.config_rolls)
    [made] = kube.list("v1", "ConfigMap", labels=ANNOTATION)
    assert made["data"]["nginx.conf"] == NGINX_CONF.replace("4096", "4095")
    assert made["data"]["proxy.conf"] == "proxy_read_timeout 4s;\n"
    assert made["metadata"]["labels"] == {"app.kubernetes.io/name": "balancer", ANNOTATION: "true"}
    volume = {"name": "config", "configMap": {"name": made["metadata"]["name"]}}
    assert kube.patches == [("balancer", {"spec": {"template": {"spec": {"volumes": [volume]}}}})]
    change.sweep()  # nothing yet: pods have it
    assert ("ConfigMap", made["metadata"]["name"]) in kube.objects
    kube.patches.clear()

    assert not change.turn("configuration", changes.config_rolls)
    volume = {"name": "config", "configMap": {"name": "balancer-1"}}
    assert kube.patches == [("balancer", {"spec": {"template": {"spec": {"volumes": [volume]}}}})]
    change.sweep()
    assert kube.list("v1", "ConfigMap", labels=ANNOTATION) == []
    assert kube.patches[1:] == [("balancer", {"metadata": {"managedFields": OWNERS}})]
    assert not (tmp_path / UNDO_FILE).exists()


@pytest.mark.parametrize(
    ("what", "name", "there", "back"),
    [
        (changes.app_rolls, "app",
         {"spec": {"template": {"metadata": {"annotations": {ANNOTATION: "rolls"}}}}},
         {"spec": {"template": {"metadata": {"annotations": {ANNOTATION: None}}}}}),
        (changes.image_rolls, "balancer",
         {"spec": {"template": {"spec": {"containers": [
             {"name": "nginx", "image": "docker.io/library/nginx:1.30-trixie"}]}}}},
         {"spec": {"template": {"spec": {"containers": [
             {"name": "nginx", "image": "docker.io/library/nginx:1.30"}]}}}}),
        (changes.redis_gone, "redis", {"spec": {"replicas": 0}}, {"spec": {"replicas": 1}}),
    ],
)  # fmt: skip
def test_what_a_killed_drill_changed_is_put_back_by_the_next(
    kube: Cluster, front: Front, tmp_path: Path, what: Any, name: str, there: Any, back: Any
):
    Changes(front, tmp_path).turn("it", what)
    assert kube.patches == [(name, there)]
    kube.patches.clear()
    after = Changes(front, tmp_path)
    assert after.pending == ["it"]
    after.undo()
    after.sweep()
    assert kube.patches == [(name, back), (name, {"metadata": {"managedFields": OWNERS}})]
    assert not (tmp_path / UNDO_FILE).exists()


def test_image_by_digest_has_no_other_name(kube: Cluster, tmp_path: Path):
    template = kube.objects["Deployment", "balancer"]["spec"]["template"]
    template["spec"]["containers"][0]["image"] += "@sha256:1"
    with pytest.raises(UserError, match="by its digest"):
        Changes(Front.find(place(kube)), tmp_path).turn("image", changes.image_rolls)
    assert kube.patches == []
    assert not (tmp_path / UNDO_FILE).exists()
