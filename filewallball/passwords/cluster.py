"""A change of passwords in a stack's cluster: its Secrets, its pods, and the Job that logs in everywhere."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Generator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict
from datetime import UTC, datetime, timedelta
from typing import Any

from facts.checks import NAME as CHECKS
from facts.pods import access_labels
from facts.tls import AUTHORITY, CA_PATH
from filewallball import redact
from filewallball.engine.ownership.lock import Lock
from filewallball.errors import UserError
from filewallball.jobs import manifests
from filewallball.jobs.following import JobPod, Work, made
from filewallball.kube import KubeError
from filewallball.passwords.credentials import Credentials
from filewallball.passwords.proof.logins import Login
from filewallball.passwords.servers import SERVERS, Server
from filewallball.stack import Place

Object = dict[str, Any]

NAME = "filewallball-passwords"
MODULE = "filewallball.passwords.proof"
FOLDER = "/logins"
FILE = "logins.json"
WORK = Work("passwords", "logins")
PROVE_SECONDS = 240
"""How long servers may take to follow a Secret: a kubelet brings it to its pods within two minutes."""
KUBELET = timedelta(minutes=2)
MAX_SECONDS = 900
KEEP_SECONDS = 60
"""The cluster removes a Job that has ended after this time."""
TOUCHED = "filewallball.io/passwords"
"""The annotation of a pod that says when its Secret changed: a kubelet looks at once at a pod that changes.
"""
CONFLICT = 409
FAILED = "FAILED "


class Cluster:
    """One stack. `lock`: the name of its lock. `say` gets a line about what takes long.

    `wait` sleeps so many seconds, and may show what for.
    """

    def __init__(
        self, place: Place, lock: str, say: Callable[[str], None], wait: Callable[[float, str], None]
    ) -> None:
        self._place, self._kube, self._lock, self._say = place, place.kube, lock, say
        self._wait = wait
        self._lost = ""

    def now(self) -> datetime:
        return datetime.now(UTC)

    def wait(self, seconds: float, what: str) -> None:
        self._wait(seconds, what)

    @contextmanager
    def alone(self) -> Generator[None]:
        """Holds the stack's lock, as `fwb up` does."""

        def lost(why: str) -> None:
            self._lost = why

        lock = Lock(self._kube, self._lock, lost)
        try:
            lock.acquire()
            yield
        finally:
            with contextlib.suppress(UserError):
                lock.release()

    def sizes(self) -> dict[str, int]:
        names = [name for server in SERVERS.values() for name in server.sets]
        return {name: self._stateful_set(name)["spec"]["replicas"] for name in names}

    def read(self, server: Server) -> Credentials:
        secret = self._kube.get("v1", "Secret", server.secret, self._place.namespace)
        if secret is None:
            raise UserError(f"There is no Secret {server.secret} in {self._place}.", self._run_up)
        redact.KNOWN.add_secret_object(secret)
        return Credentials.read(secret, server.users)

    def write(self, server: Server, before: Credentials, after: Credentials) -> Credentials:
        if self._lost:
            raise UserError(
                f"The {self._lost}.", "See who else changes the stack, and run the command again."
            )
        for password in after.other.values():
            redact.KNOWN.add(password)
        try:
            written = self._kube.patch(
                "v1", "Secret", server.secret, self._place.namespace, after.patch(before)
            )
        except KubeError as error:
            if error.status != CONFLICT:
                raise
            now = self.read(server)
            # Ours, if it was written at the first try and the answer was lost.
            if (now.current, now.other, now.phase) != (after.current, after.other, after.phase):
                raise UserError(
                    f"The Secret {server.secret} was changed by somebody else.", "Run the command again."
                ) from error
            return now
        finally:
            self._touch(server)
        return Credentials.read(written, server.users)

    def prove(self, logins: Sequence[Login]) -> None:
        """In a Job: the way is that of clients. Its file of logins goes with it, whatever happens here."""
        if not logins:
            return
        name = manifests.unique(f"{NAME}-")
        faults: list[str] = []
        with made(self._kube, self._job(name, logins)) as job:
            self._kube.create(
                _file(job, {"logins": [asdict(one) for one in logins], "seconds": PROVE_SECONDS})
            )
            self._kube.patch("batch/v1", "Job", name, self._place.namespace, {"spec": {"suspend": False}})
            pod = JobPod(self._kube, self._place.namespace, job, WORK)
            for line in pod.lines():
                if line.startswith(FAILED):
                    faults.append(line.removeprefix(FAILED))
                else:
                    self._say(f"        {line}")
        if (pod.end or {}).get("exitCode") != 0:
            raise UserError(
                "\n  ".join(faults) or f"The logins were not tried to their end {pod.blame()}".strip()
            )

    def late(self, chosen: Sequence[Server], since: datetime) -> list[str]:
        # A pod that starts a moment after a change may still be given what was before.
        return [name for name, job, uses in self._older(chosen, since + KUBELET) if job and uses]

    def set_in_environment(self, chosen: Sequence[Server], since: datetime) -> list[str]:
        return [name for name, job, uses in self._older(chosen, since) if not job and uses == "environment"]

    def _older(self, chosen: Sequence[Server], since: datetime) -> Generator[tuple[str, bool, str]]:
        """Pods that run since before then: the name, whether it is a Job's, and how it has a Secret."""
        secrets = {server.secret for server in chosen}
        for pod in self._kube.list("v1", "Pod", self._place.namespace):
            status: Object = pod.get("status") or {}
            if status.get("phase") not in ("Pending", "Running") or not status.get("startTime"):
                continue
            if datetime.fromisoformat(status["startTime"]) <= since:
                owners: list[Object] = pod["metadata"].get("ownerReferences") or []
                job = any(owner["kind"] == "Job" for owner in owners)
                yield pod["metadata"]["name"], job, _use(pod["spec"], secrets)

    def _touch(self, server: Server) -> None:
        """Have the kubelets look now at the pods that mount the Secret, and not within a minute."""
        note = {"metadata": {"annotations": {TOUCHED: datetime.now(UTC).isoformat()}}}
        # It is a favour alone: who may not do it, or comes too late, waits for longer.
        with contextlib.suppress(UserError):
            for pod in self._kube.list("v1", "Pod", self._place.namespace):
                if _use(pod["spec"], {server.secret}) == "files":
                    with contextlib.suppress(KubeError):
                        self._kube.patch("v1", "Pod", pod["metadata"]["name"], self._place.namespace, note)

    def _stateful_set(self, name: str) -> Object:
        found = self._kube.get("apps/v1", "StatefulSet", name, self._place.namespace)
        if found is None:
            raise UserError(f"There is no StatefulSet {name} in {self._place}.", self._run_up)
        return found

    @property
    def _run_up(self) -> str:
        return f"Run `fwb up {self._place.stack}` first."

    def _job(self, name: str, logins: Sequence[Login]) -> Object:
        template = self._kube.get("v1", "PodTemplate", CHECKS, self._place.namespace)
        if template is None:
            raise UserError(f"There is no PodTemplate {CHECKS} in {self._place}.", self._run_up)
        [toolkit] = template["template"]["spec"]["containers"]
        access = access_labels(*_access(logins))
        pull = toolkit.get("imagePullPolicy", "IfNotPresent")
        return job_manifest(name, self._place.namespace, toolkit["image"], pull, access)


def _access(logins: Sequence[Login]) -> list[str]:
    asked = {login.server for login in logins}
    return [
        server.access
        for server in SERVERS.values()
        if server.name in asked or any(name.startswith(f"{server.name}-") for name in asked)
    ]


def _use(spec: Object, secrets: set[str]) -> str:
    """How a pod has one of the Secrets: in its `environment`, as `files`, or not at all."""
    named: list[Object] = []
    for container in [*_items(spec, "initContainers"), *_items(spec, "containers")]:
        named += [_part(_part(one, "valueFrom"), "secretKeyRef") for one in _items(container, "env")]
        named += [_part(one, "secretRef") for one in _items(container, "envFrom")]
    if any(one.get("name") in secrets for one in named):
        return "environment"
    volumes = _items(spec, "volumes")
    sources = [source for volume in volumes for source in _items(_part(volume, "projected"), "sources")]
    found = {_part(volume, "secret").get("secretName") for volume in volumes}
    found |= {_part(source, "secret").get("name") for source in sources}
    return "files" if found & secrets else ""


def _items(obj: Object, key: str) -> list[Object]:
    return obj.get(key) or []


def _part(obj: Object, key: str) -> Object:
    return obj.get(key) or {}


def _file(job: Object, content: Mapping[str, Any]) -> Object:
    """The Secret with the file of logins, which goes with the Job."""
    meta = job["metadata"]
    owner = {"apiVersion": "batch/v1", "kind": "Job", "name": meta["name"], "uid": meta["uid"]}
    return {
        "apiVersion": "v1",
        "kind": "Secret",
        "metadata": {
            "name": meta["name"],
            "namespace": meta["namespace"],
            "labels": meta["labels"],
            "ownerReferences": [owner],
        },
        "stringData": {FILE: json.dumps(content)},
    }


def job_manifest(name: str, namespace: str, image: str, pull: str, access: Mapping[str, str]) -> Object:
    """A Job that tries the logins once. It begins when its file is there."""
    labels = {"app.kubernetes.io/name": NAME, "app.kubernetes.io/component": "passwords"}
    container: Object = {
        "name": WORK.container,
        "image": image,
        "imagePullPolicy": pull,
        "command": ["python3", "-m", MODULE, f"{FOLDER}/{FILE}"],
        "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "256Mi"}},
        "volumeMounts": [
            {"name": "logins", "mountPath": FOLDER, "readOnly": True},
            {"name": "ca", "mountPath": CA_PATH, "readOnly": True},
        ],
    }
    volumes: list[Object] = [
        {"name": "logins", "secret": {"secretName": name, "defaultMode": 0o440}},
        # Only stacks with encrypted connections have it.
        {"name": "ca", "configMap": {"name": AUTHORITY, "optional": True}},
    ]
    return manifests.job(
        name,
        namespace,
        manifests.restricted({**labels, **access}, container, volumes),
        labels=labels,
        suspend=True,
        activeDeadlineSeconds=MAX_SECONDS,
        ttlSecondsAfterFinished=KEEP_SECONDS,
    )
