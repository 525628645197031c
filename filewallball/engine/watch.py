"""What is known of one object while it is waited for: its pods, its troubles, and since when."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from filewallball import pods as pods_module
from filewallball.engine import readiness
from filewallball.engine.observer import Observer
from filewallball.engine.resources import key_of
from filewallball.errors import UserError
from filewallball.kube import Kube, KubeError
from filewallball.pods import Trouble

Object = dict[str, Any]
# what is being waited for, and whether that has lasted long enough to be worth a line of its own
Say = Callable[[str, bool], None]
TICK = 1.0
LOG_LINES = 15
# a pod of an old revision that isn't ready holds up a StatefulSet for good (kubernetes issue 67250)
STUCK_AFTER = 3.0
# without a readiness probe a container counts as ready from its start to its crash
SETTLED_AFTER = 1.5
SETTLED_AFTER_RESTART = 12.0  # longer than the kubelet's first pause between restarts
OWN_CLOCKS = ("stuck", "line", "settle")
TEMPLATE_GENERATION = "deprecated.daemonset.template.generation"  # and yet all there is to match pods by
ROLLED = ("Deployment", "StatefulSet", "DaemonSet")


class RolloutFailed(UserError):
    """The object will not become ready; the message has the reason and the log's end."""


class Watch:
    """What one wait knows: the object's latest version, its pods, and since when each trouble lasts."""

    def __init__(self, kube: Kube, observer: Observer, applied: Object) -> None:
        meta = applied["metadata"]
        self._kube = kube
        self._observer = observer
        self._applied = applied
        self._namespace: str = meta.get("namespace", "")
        self._since: dict[str, float] = {}
        self._removed: set[str] = set()
        self._seen = False

    def latest(self) -> Object:
        """The newest version seen; never one from before what was applied."""
        meta = self._applied["metadata"]
        view = self._observer.view(self._applied["apiVersion"], self._applied["kind"], self._namespace)
        seen = view.objects.get(meta["name"])
        if seen is None and self._seen:
            raise RolloutFailed(f"{key_of(self._applied)}: somebody deleted it meanwhile")
        self._seen = self._seen or seen is not None
        if seen is None or int(seen["metadata"]["resourceVersion"]) < int(meta["resourceVersion"]):
            return self._applied
        if seen["metadata"]["uid"] != meta["uid"]:
            raise RolloutFailed(f"{key_of(self._applied)}: somebody replaced it meanwhile")
        return seen

    def lasted(self, key: str) -> float:
        """Seconds since this trouble was first seen."""
        return time.monotonic() - self._since.setdefault(key, time.monotonic())

    def troubles(self, obj: Object) -> list[Trouble]:
        """All that is wrong with the object and its present pods; forgets what has healed."""
        events = self._events()
        found: list[Trouble] = []
        if obj["kind"] == "PersistentVolumeClaim":
            found += _some(pods_module.event_trouble(obj, events, "ProvisioningFailed"))
        pods = self._pods(obj)
        for pod in pods:
            found += _some(pods_module.trouble(pod, events))
        if obj["kind"] == "Job":  # a crash there is the job controller's to count
            found = [each for each in found if not each.crashed]
        owners = self._owners(obj)
        if not pods:
            for owner in owners:
                found += _some(pods_module.event_trouble(owner, events, "FailedCreate"))
        keys = {each.key for each in found}
        self._since = {
            key: since
            for key, since in self._since.items()
            if key in keys or key.partition("/")[0] in OWN_CLOCKS
        }
        for key in keys:
            self.lasted(key)
        return found

    def detail(self, obj: Object, detail: str, troubles: list[Trouble]) -> str:
        """One line on what is being waited for."""
        if troubles:
            return f"{detail}; {troubles[0]}"
        events = self._events() if obj["kind"] in (*ROLLED, "Pod") else []
        for pod in self._pods(obj):
            probe = pods_module.not_ready_reason(pod, events)
            if probe:
                return f"{detail}; pod {pod['metadata']['name']}: {probe}"
        return detail

    def settling(self, obj: Object) -> float:
        """Seconds until the pods of a ready workload have run long enough to be believed; 0 if they have."""
        if obj["kind"] not in ROLLED:
            return 0.0
        pods = self._pods(obj)
        wanted = obj["spec"].get("replicas", 1) if obj["kind"] != "DaemonSet" else 0
        if len(pods) < wanted:
            return TICK  # the view of the pods lags behind
        left = 0.0
        for pod in pods:
            probed = {each["name"] for each in pod["spec"]["containers"] if each.get("readinessProbe")}
            statuses: list[Object] = pod.get("status", {}).get("containerStatuses") or []
            for status in statuses:
                if status["name"] not in probed:
                    needed = SETTLED_AFTER_RESTART if status.get("restartCount") else SETTLED_AFTER
                    left = max(left, needed - self.lasted(f"settle/{status.get('containerID')}"))
        return left

    def report(self, obj: Object, why: str, troubles: list[Trouble]) -> str:
        """The whole story for a failure: why, in which pod, and the end of its log."""
        lines = [f"{key_of(obj)}: {why or troubles[0]}"]
        lines += [str(each) for each in troubles[:3] if str(each) not in lines[0]]
        pod = self._worst_pod(obj, troubles)
        if pod:
            log = self._log_tail(pod)
            said = [f"| {line}" for line in pods_module.termination_message(pod).splitlines()]
            # where the kubelet took the message from the log, once is enough
            lines += ["its last message:", *said] if said and said[-1] not in log else []
            lines += log
        return "\n    ".join(lines)

    def unblock(self, obj: Object, say: Say) -> None:
        """Remove pods of an old revision that can't get ready: they hold up the update that mends them."""
        if obj["kind"] != "StatefulSet" or not obj.get("status", {}).get("updateRevision"):
            return
        revision = obj["status"]["updateRevision"]
        pods = [pod for pod in self._owned_pods(obj) if not pod["metadata"].get("deletionTimestamp")]
        current = {pod["metadata"]["uid"]: _revision(pod) == revision for pod in pods}
        if any(current[pod["metadata"]["uid"]] and not pods_module.is_ready(pod) for pod in pods):
            return
        for pod in pods:
            meta = pod["metadata"]
            if current[meta["uid"]] or pods_module.is_ready(pod) or meta["uid"] in self._removed:
                continue
            if self.lasted(f"stuck/{meta['uid']}") >= STUCK_AFTER:
                self._removed.add(meta["uid"])
                say(
                    f"removing pod {meta['name']}: of the old revision, not ready, it holds up the update",
                    True,
                )
                self._kube.delete("v1", "Pod", meta["name"], self._namespace, uid=meta["uid"])

    def _events(self) -> list[Object]:
        return self._observer.objects("v1", "Event", self._namespace) if self._namespace else []

    def _owners(self, obj: Object) -> list[Object]:
        """Whose pods count: the object's own, or for a Deployment those of its newest ReplicaSet.

        Nobody's before its controller has seen the change: all that is there is of an older revision then.
        """
        if obj["kind"] in ROLLED and not readiness.observed(obj):
            return []
        if obj["kind"] != "Deployment":
            return [obj]
        sets = self._observer.objects("apps/v1", "ReplicaSet", self._namespace)
        revision = _deployment_revision(obj)
        return [each for each in sets if _owned(each, obj) and _deployment_revision(each) == revision]

    def _pods(self, obj: Object) -> list[Object]:
        if obj["kind"] == "Pod":
            return [obj]
        if obj["kind"] not in (*ROLLED, "Job"):
            return []
        pods = self._owned_pods(obj)
        revision = obj.get("status", {}).get("updateRevision")
        if obj["kind"] == "StatefulSet" and revision:
            return [pod for pod in pods if _revision(pod) == revision]
        if obj["kind"] == "DaemonSet":
            annotations: Object = obj["metadata"].get("annotations") or {}
            generation = annotations.get(TEMPLATE_GENERATION)
            return [pod for pod in pods if _label(pod, "pod-template-generation") == generation]
        return pods

    def _owned_pods(self, obj: Object) -> list[Object]:
        owners = self._owners(obj)
        pods = self._observer.objects("v1", "Pod", self._namespace)
        return [pod for pod in pods if any(_owned(pod, owner) for owner in owners)]

    def _worst_pod(self, obj: Object, troubles: list[Trouble]) -> Object | None:
        pods = self._pods(obj)
        if obj["kind"] == "Job":  # its end may be known before the watch has shown that of its pods
            selector = f"batch.kubernetes.io/job-name={obj['metadata']['name']}"
            pods = self._kube.list("v1", "Pod", self._namespace, labels=selector)
        pods.sort(key=lambda pod: str(pod["metadata"].get("creationTimestamp")))
        named = [pod for pod in pods if troubles and pod["metadata"]["name"] == troubles[0].pod]
        bad = [pod for pod in pods if pods_module.failed_container(pod)]
        unready = [pod for pod in pods if not pods_module.is_ready(pod)]
        return next(iter(named or bad[-1:] or unready), None)

    def _log_tail(self, pod: Object) -> list[str]:
        meta = pod["metadata"]
        container = pods_module.failed_container(pod)
        statuses = pods_module.container_statuses(pod)
        if not container and not any(status.get("state", {}).get("running") for status in statuses):
            return []
        container = container or str(statuses[-1]["name"])
        status = next(each for each in statuses if each["name"] == container)
        previous = bool(status.get("state", {}).get("waiting"))
        try:
            text = self._kube.logs(
                meta["name"], self._namespace, container=container, tail=LOG_LINES, previous=previous
            )
        except KubeError:
            return []
        if not text.strip():
            return []
        title = f"the end of the log of pod {meta['name']}, container {container}:"
        return [title, *(f"| {line}" for line in text.rstrip().splitlines())]


def _owned(obj: Object, owner: Object) -> bool:
    references: list[Object] = obj["metadata"].get("ownerReferences") or []
    return any(each.get("uid") == owner["metadata"]["uid"] for each in references)


def _revision(pod: Object) -> str:
    return _label(pod, "controller-revision-hash")


def _label(pod: Object, name: str) -> str:
    labels: Object = pod["metadata"].get("labels") or {}
    return str(labels.get(name, ""))


def _deployment_revision(obj: Object) -> str:
    annotations: Object = obj["metadata"].get("annotations") or {}
    return str(annotations.get("deployment.kubernetes.io/revision", ""))


def _some(trouble: Trouble | None) -> list[Trouble]:
    return [trouble] if trouble else []
