"""The load's pod in the stack's cluster: made for a drill, asked through the API server, gone with the drill.

Should this machine die, the process ends by itself, and the cluster removes the finished Job with all of it.
"""

from __future__ import annotations

import contextlib
import secrets
import threading
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

from facts.pods import access_labels
from filewallball.errors import UserError
from filewallball.jobs import manifests
from filewallball.jobs.following import JobPod, Work, made
from filewallball.stack import Place

Object = dict[str, Any]

NAME = "filewallball-drill"
PORT = 8079
MAX_SECONDS = 12 * 3600
KEEP_SECONDS = 60
"""The cluster removes a Job that has ended after this time."""
START_SECONDS = 120.0
"""How long the connection to the pod may take to open."""
TAIL_LINES = 8
_WORK = Work("load", "load")
POLL_SECONDS = 0.3
CLOCK_READINGS = 5
AWAKE_SECONDS = 10.0


@dataclass(frozen=True)
class LoadWork:
    """What the pod runs. `access`: the servers that it may reach. `mounts`: path → volume."""

    module: str
    image: str
    """The toolkit's."""
    pull: str
    access: tuple[str, ...]
    mounts: dict[str, Object] = field(default_factory=dict[str, Object])


class LoadPod:
    """A running one. `to_pod(t)` is the pod's monotonic time at wall-clock time `t` of this machine."""

    def __init__(self, place: Place, pod: str, token: str) -> None:
        self._place, self._pod, self._token = place, pod, token
        self._offset = 0.0

    def start(self, plan: Object) -> None:
        """Begin a round. Raises UserError if the pod can't."""
        self.set_clocks()
        self.ask("start", plan)

    def progress(self) -> dict[str, Any]:
        """How the round goes."""
        return self.ask("progress")

    def finish(self, round_name: str) -> dict[str, Any]:
        """End the round: the JSON of its Recording."""
        return self.ask("finish", {"round": round_name})

    def quit(self) -> None:
        self.ask("quit", {})

    def to_pod(self, wall: float) -> float:
        return wall + self._offset

    def clock(self) -> float:
        """The pod's monotonic time."""
        return float(self.ask("clock")["monotonic"])

    def set_clocks(self) -> None:
        """Compare both machines' clocks by the quickest of a few questions."""
        readings: list[tuple[float, float]] = []
        for _ in range(CLOCK_READINGS):
            before = time.time()
            clock = self.clock()
            after = time.time()
            readings.append((after - before, clock - (before + after) / 2))
        _, self._offset = min(readings)

    def ask(self, what: str, body: Object | None = None) -> Any:
        """See `load.server`. Raises UserError."""
        path = f"{self._token}/{what}"
        return self._place.kube.ask_pod(self._pod, self._place.namespace, PORT, path, body)


@contextmanager
def running(place: Place, work: LoadWork) -> Generator[LoadPod]:
    """The load's pod, for as long as the block runs. Raises UserError if it can't start."""
    name, token = manifests.unique(f"{NAME}-"), secrets.token_urlsafe(12)
    manifest = job_manifest(name, place.namespace, work, token)
    with made(place.kube, manifest) as job, _opened(place, job):
        load = LoadPod(place, _started(place, job), token)
        _answering(load)
        with _awake(load):
            yield load
        with contextlib.suppress(UserError):
            load.quit()


@contextmanager
def _opened(place: Place, job: Object) -> Generator[None]:
    """The way to the pod's port. It would go with the Job, but a little later."""
    policy = policy_manifest(job)
    try:
        place.kube.create(policy)
        yield
    finally:
        with contextlib.suppress(UserError):
            place.kube.delete(
                "networking.k8s.io/v1", "NetworkPolicy", policy["metadata"]["name"], place.namespace
            )


@contextmanager
def _awake(load: LoadPod) -> Generator[None]:
    """Asks the pod something now and then: left alone it takes us for dead, and a rolling update is long."""
    over = threading.Event()

    def ask() -> None:
        while not over.wait(AWAKE_SECONDS):
            with contextlib.suppress(UserError):
                load.clock()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    try:
        yield
    finally:
        over.set()
        thread.join()


def _started(place: Place, job: Object) -> str:
    """The name of the Job's pod, once it runs. Raises UserError with the reason if it doesn't."""
    pod = JobPod(place.kube, place.namespace, job, _WORK)
    name = pod.begun()
    if how := pod.ended(name):
        said = pod.log(name, tail=TAIL_LINES)
        why = f"{how.get('reason', 'ended')}, exit code {how['exitCode']}"
        raise UserError(f"The load's pod ended at once: {why}\n{said}".rstrip(), _RUN_UP)
    return name


def _answering(load: LoadPod) -> None:
    """Wait until the way to the pod is open: policies begin to hold a moment after a pod's start."""
    deadline = time.monotonic() + START_SECONDS
    while True:
        try:
            return load.set_clocks()
        except UserError:
            if time.monotonic() > deadline:
                raise
            time.sleep(POLL_SECONDS)


_RUN_UP = (
    "Run `fwb up` on the stack, which brings the toolkit's image and the passwords. Then run the drill again."
)


def job_manifest(name: str, namespace: str, work: LoadWork, token: str) -> Object:
    """A Job that runs the load once, and is bounded in every way."""
    labels = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": "drill", NAME: name}
    container: Object = {
        "name": "load",
        "image": work.image,
        "imagePullPolicy": work.pull,
        "command": ["python3", "-m", work.module],
        "env": [
            {"name": "FWB_DRILL_TOKEN", "value": token},
            {"name": "FWB_DRILL_PORT", "value": str(PORT)},
        ],
        "ports": [{"name": "http", "containerPort": PORT, "protocol": "TCP"}],
        # no CPU limit: throttling would look like an outage of the servers
        "resources": {"requests": {"cpu": "200m", "memory": "96Mi"}, "limits": {"memory": "512Mi"}},
        "volumeMounts": [
            {"name": volume["name"], "mountPath": path, "readOnly": True}
            for path, volume in work.mounts.items()
        ],
    }
    volumes = list(work.mounts.values())
    return manifests.job(
        name,
        namespace,
        manifests.restricted(labels | access_labels(*work.access), container, volumes),
        labels=labels,
        activeDeadlineSeconds=MAX_SECONDS,
        ttlSecondsAfterFinished=KEEP_SECONDS,
    )


def policy_manifest(job: Object) -> Object:
    """Opens the pod's port. The API server is no pod, so there is no better word for where it calls from."""
    meta = job["metadata"]
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "labels": meta["labels"],
            "ownerReferences": [
                {
                    "apiVersion": "batch/v1",
                    "kind": "Job",
                    "name": meta["name"],
                    "uid": meta["uid"],
                }
            ],
        },
        "spec": {
            "podSelector": {"matchLabels": {NAME: meta["name"]}},
            "policyTypes": ["Ingress"],
            "ingress": [{"ports": [{"protocol": "TCP", "port": PORT}]}],
        },
    }
