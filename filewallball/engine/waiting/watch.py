"""What is known of one object while it is waited for: its pods, its troubles, and since when."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

from filewallball import pods as pods_module
from filewallball.engine.kinds import kind_of
from filewallball.engine.kinds.states import observed
from filewallball.engine.kinds.table import POD, value_at
from filewallball.engine.program.resources import key_of
from filewallball.engine.waiting.observer import Observer
from filewallball.errors import UserError
from filewallball.kube import Kube, KubeError
from filewallball.pods import Trouble

Object = dict[str, Any]
# what is being waited for, and whether that has lasted long enough to be worth a line of its own
Say = Callable[[str, bool], None]
TICK = 1.0
"""Seconds until the next look, in case that no event comes."""
LOG_LINES = 15
STUCK_AFTER = 3.0
"""Seconds. A pod of an old revision that isn't ready may be about to become ready."""
SETTLED_AFTER = 1.5
"""Seconds. Without a readiness probe a container counts as ready from its start to its crash."""
SETTLED_AFTER_RESTART = 12.0
"""Seconds, longer than the kubelet's first pause between restarts."""
OWN_CLOCKS = ("stuck", "line", "settle")


class RolloutFailed(UserError):
    """The object will not become ready; the message has the reason and the log's end."""


_AGAIN = "Run `fwb up` again."


def what_next(obj: Object) -> str:
    """The hint for an object that does not become ready."""
    return f"Look at `{key_of(obj).kubectl('describe')}`, correct what is wrong, and run `fwb up` again."


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
            raise RolloutFailed(f"{key_of(self._applied)}: somebody deleted it meanwhile", _AGAIN)
        # What it took the place of may still be in the view, and go from it.
        self._seen = self._seen or (seen is not None and seen["metadata"]["uid"] == meta["uid"])
        if seen is None or int(seen["metadata"]["resourceVersion"]) < int(meta["resourceVersion"]):
            return self._applied
        if seen["metadata"]["uid"] != meta["uid"]:
            raise RolloutFailed(f"{key_of(self._applied)}: somebody replaced it meanwhile", _AGAIN)
        return seen

    def lasted(self, key: str) -> float:
        """Seconds since this trouble was first seen."""
        return time.monotonic() - self._since.setdefault(key, time.monotonic())

    def troubles(self, obj: Object) -> list[Trouble]:
        """All that is wrong with the object and its present pods; forgets what has healed."""
        events = self._events()
        found: list[Trouble] = []
        kind = kind_of(obj)
        if kind.refusal_event:
            found += _some(pods_module.event_trouble(obj, events, kind.refusal_event))
        pods = self._pods(obj)
        for pod in pods:
            found += _some(pods_module.trouble(pod, events))
        if kind.counts_crashes:
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
        events = [] if kind_of(obj).counts_crashes else self._events()
        for pod in self._pods(obj):
            probe = pods_module.not_ready_reason(pod, events)
            if probe:
                return f"{detail}; pod {pod['metadata']['name']}: {probe}"
        return detail

    def settling(self, obj: Object) -> float:
        """Seconds until the pods of a ready workload have run long enough to be believed; 0 if they have."""
        kind = kind_of(obj)
        if not kind.rolled:
            return 0.0
        pods = self._pods(obj)
        wanted = obj["spec"].get("replicas", 1) if kind.sized else 0
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
        kind = kind_of(obj)
        revision = value_at(obj, kind.revision)
        if not kind.stalls or not revision:
            return
        pods = [pod for pod in self._owned_pods(obj) if not pod["metadata"].get("deletionTimestamp")]
        current = {pod["metadata"]["uid"]: _label(pod, kind.revision_label) == revision for pod in pods}
        if any(current[pod["metadata"]["uid"]] and not pods_module.is_ready(pod) for pod in pods):
            return
        for pod in pods:
            meta = pod["metadata"]
            if current[meta["uid"]] or pods_module.is_ready(pod) or meta["uid"] in self._removed:
                continue
            if self.lasted(f"stuck/{meta['uid']}") >= STUCK_AFTER:
                self._removed.add(meta["uid"])
                say(
                    f"removing pod {meta['name']}: it has the old revision, isn't ready, and blocks the "
                    "update",
                    True,
                )
                self._kube.delete(POD.api_version, POD.name, meta["name"], self._namespace, uid=meta["uid"])

    def _events(self) -> list[Object]:
        return self._observer.objects("v1", "Event", self._namespace) if self._namespace else []

    def _owners(self, obj: Object) -> list[Object]:
        """Whose pods count: the object's own, or those of its newest revision where that is an object.

        Nobody's before its controller has seen the change: all that is there is of an older revision then.
        """
        kind = kind_of(obj)
        if kind.rolled and not observed(obj):
            return []
        if not kind.rolled_by:
            return [obj]
        revision = value_at(obj, kind.revision)
        between = self._observer.objects(*kind.rolled_by, self._namespace)
        return [each for each in between if _owned(each, obj) and value_at(each, kind.revision) == revision]

    def _pods(self, obj: Object) -> list[Object]:
        kind = kind_of(obj)
        if kind is POD:
            return [obj]
        if not kind.has_pods:
            return []
        pods = self._owned_pods(obj)
        revision = value_at(obj, kind.revision)
        if not kind.revision_label or not revision:
            return pods
        return [pod for pod in pods if _label(pod, kind.revision_label) == revision]

    def _owned_pods(self, obj: Object) -> list[Object]:
        owners = self._owners(obj)
        pods = self._observer.objects(POD.api_version, POD.name, self._namespace)
        return [pod for pod in pods if any(_owned(pod, owner) for owner in owners)]

    def _worst_pod(self, obj: Object, troubles: list[Trouble]) -> Object | None:
        pods = self._pods(obj)
        label = kind_of(obj).pods_label
        if label:  # its end may be known before the watch has shown that of its pods
            selector = f"{label}={obj['metadata']['name']}"
            pods = self._kube.list(POD.api_version, POD.name, self._namespace, labels=selector)
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


def _label(pod: Object, name: str) -> str:
    labels: Object = pod["metadata"].get("labels") or {}
    return str(labels.get(name, ""))


def _some(trouble: Trouble | None) -> list[Trouble]:
    return [trouble] if trouble else []
