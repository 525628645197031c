"""A thin client over dicts, for any cluster that kubectl reaches with the same kubeconfig.

Safe to share between threads. What is safe to send twice is sent again when the connection breaks.
"""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Literal, Self

import httpx2 as httpx

from filewallball.kube.discovery import ACCEPT, Discovery
from filewallball.kube.errors import KubeError
from filewallball.kube.transport import BUSY, Transport

Object = dict[str, Any]
Objects = list[Object]
Operations = list[dict[str, Any]]
Propagation = Literal["Background", "Foreground", "Orphan"]
WATCH_SECONDS = 60
FORWARDING = "v4.channel.k8s.io"
"""The protocol of forwarded ports that needs nothing but WebSockets."""


class Kube:
    """One cluster."""

    def __init__(self, transport: Transport) -> None:
        self.server = transport.server
        self.context = transport.context
        self.namespace = transport.namespace
        """Where objects go that name no namespace: the kubeconfig's context says so."""
        self._http = transport
        self._discovery = Discovery(self._discover)

    @classmethod
    def connect(
        cls, kubeconfig: str | Path | None = None, context: str | None = None, *, patience: float = 20.0
    ) -> Self:
        """Open a client for a kubeconfig (path or content) and context; without either, as kubectl chooses.

        `patience`: seconds to keep trying when a server that did answer goes away. Nothing is sent yet.
        Raises ConfigError for a kubeconfig that cannot be used.
        """
        return cls(Transport.connect(kubeconfig, context, patience))

    def close(self) -> None:
        self._http.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def discovery(self) -> Discovery:
        """The kinds that the cluster serves."""
        return self._discovery

    def version(self) -> str:
        """The server's version, `v1.36.3`. Raises Unreachable; a cheap question to begin with."""
        return str(self._http.call("GET", "/version")["gitVersion"])

    # ---- objects ----

    def get(self, api_version: str, kind: str, name: str, namespace: str | None = None) -> Object | None:
        """One object, or None where there is none."""
        try:
            return self._http.call("GET", self._path(api_version, kind, name, namespace))
        except KubeError as error:
            if error.status == 404 and error.reason == "NotFound":
                return None
            raise

    def list(
        self, api_version: str, kind: str, namespace: str | None = None, labels: str | None = None
    ) -> Objects:
        """All objects of a kind, of all namespaces where none is given. `labels` is a selector."""
        return self._list(api_version, kind, namespace, {"labelSelector": labels})[0]

    def create(self, manifest: Mapping[str, Any], *, manager: str | None = None) -> Object:
        """Create an object. Raises KubeError with reason AlreadyExists."""
        return self._http.call(
            "POST",
            self._path_of(manifest, collection=True),
            {"fieldManager": manager},
            body=manifest,
            repeat=False,
        )

    def apply(
        self, manifest: Mapping[str, Any], *, manager: str, force: bool = False, dry_run: bool = False
    ) -> Object:
        """Server-side apply; returns the whole object as it then is (or would be)."""
        params = {"fieldManager": manager, "force": "true" if force else "false"}
        if dry_run:
            params["dryRun"] = "All"
        return self._http.call("PATCH", self._path_of(manifest), params, body=manifest, content="apply")

    def replace(self, manifest: Mapping[str, Any], *, manager: str | None = None) -> Object:
        """Update to exactly this; a stale `metadata.resourceVersion` is a Conflict."""
        return self._http.call(
            "PUT", self._path_of(manifest), {"fieldManager": manager}, body=manifest, repeat=False
        )

    def patch(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None,
        patch: Mapping[str, Any] | Operations,
        *,
        type: Literal["merge", "json", "strategic"] = "merge",
    ) -> Object:
        """Change some fields; returns the whole object."""
        path = self._path(api_version, kind, name, namespace)
        return self._http.call("PATCH", path, {}, body=patch, content=type, repeat=type != "json")

    def delete(
        self,
        api_version: str,
        kind: str,
        name: str,
        namespace: str | None = None,
        *,
        propagation: Propagation = "Background",
        uid: str | None = None,
        resource_version: str | None = None,
        grace: int | None = None,
    ) -> bool:
        """Ask for deletion (finalizers may take their time); False where there was nothing to delete.

        `grace`: seconds that a pod is given to end, in place of its own terminationGracePeriodSeconds.
        `uid` guards against deleting a successor of the same name, `resource_version` against deleting
        what somebody has changed meanwhile.
        """
        body: dict[str, Any] = {"propagationPolicy": propagation}
        if grace is not None:
            body["gracePeriodSeconds"] = grace
        given = {"uid": uid, "resourceVersion": resource_version}
        guards = {name: value for name, value in given.items() if value}
        if guards:
            body["preconditions"] = guards
        try:
            self._http.call("DELETE", self._path(api_version, kind, name, namespace), body=body)
        except KubeError as error:
            if error.status == 404 or (guards and error.status == 409 and "precondition" in error.message):
                return False
            raise
        return True

    # ---- logs, watches, and what pods serve ----

    def logs(
        self,
        pod: str,
        namespace: str,
        *,
        container: str | None = None,
        tail: int | None = None,
        previous: bool = False,
    ) -> str:
        """A container's log so far. `tail`: the last so many lines. `previous`: of its last crash."""
        params = {"container": container, "tailLines": tail, "previous": "true" if previous else None}
        return self._http.send("GET", self._path("v1", "Pod", pod, namespace) + "/log", params).text

    def watch(
        self,
        api_version: str,
        kind: str,
        namespace: str | None = None,
        *,
        name: str | None = None,
        labels: str | None = None,
        timeout: float,
    ) -> Iterator[tuple[str, Object]]:
        """Yield `("ADDED", object)` for all there are, then every change, for `timeout` seconds.

        Survives broken connections and expired versions by listing anew (and then says ADDED again, and
        DELETED for what went meanwhile).
        """
        deadline = time.monotonic() + timeout
        params: dict[str, Any] = {
            "labelSelector": labels,
            "fieldSelector": f"metadata.name={name}" if name else None,
        }
        path = self._path(api_version, kind, None, namespace)
        known: dict[str, Object] = {}
        while time.monotonic() < deadline:
            items, version = self._list(api_version, kind, namespace, params)
            now = {item["metadata"]["uid"]: item for item in items}
            for uid in known.keys() - now.keys():
                yield "DELETED", known[uid]
            for item in items:
                yield "ADDED", item
            known = now
            for change, item in self._watch_from(path, params, version, deadline):
                uid = item["metadata"]["uid"]
                if change == "DELETED":
                    known.pop(uid, None)
                else:
                    known[uid] = item
                yield change, item

    def ask_pod(
        self, pod: str, namespace: str, port: int, path: str, body: Mapping[str, Any] | None = None
    ) -> Any:
        """The JSON that a pod answers over HTTP, through the API server: GET, or POST if there is a body.

        Sent again when the connection breaks. Raises KubeError with the pod's status and text.
        """
        way = f"{self._path('v1', 'Pod', f'{pod}:{port}', namespace)}/proxy/{path}"
        return self._http.send("GET" if body is None else "POST", way, body=body).json()

    def forwarded(
        self, pod: str, namespace: str, port: int
    ) -> AbstractContextManager[tuple[socket.socket, bytes]]:
        """A connection to a port of a pod, and its first bytes; stability/tunnel.py speaks its protocol.

        Raises KubeError, Unreachable.
        """
        way = f"{self._path('v1', 'Pod', pod, namespace)}/portforward"
        return self._http.upgraded(way, {"ports": port}, FORWARDING)

    def _watch_from(
        self, path: str, params: dict[str, Any], version: str, deadline: float
    ) -> Iterator[tuple[str, Object]]:
        """Follow changes from `version` until the deadline, or until the version must be asked for again."""
        while (left := deadline - time.monotonic()) > 0:
            seconds = min(left, WATCH_SECONDS)
            query = {
                **params,
                "watch": "true",
                "resourceVersion": version,
                "allowWatchBookmarks": "true",
                "timeoutSeconds": str(max(1, round(seconds))),
            }
            try:
                with self._http.stream(path, query, silence=seconds + 5) as answer:
                    for line in answer.iter_lines():
                        event = json.loads(line)
                        if event["type"] == "ERROR":
                            return
                        version = event["object"]["metadata"]["resourceVersion"]
                        if event["type"] != "BOOKMARK":
                            yield event["type"], event["object"]
            except httpx.TransportError:
                return  # the list that follows is patient, and raises Unreachable in the end
            except KubeError as error:
                if error.status not in (410, 500, 504, *BUSY):
                    raise
                return  # to the list: it is repeated, and raises what lasts

    def _list(
        self, api_version: str, kind: str, namespace: str | None, params: dict[str, Any]
    ) -> tuple[Objects, str]:
        path = self._path(api_version, kind, None, namespace)
        answer = self._http.call("GET", path, params)
        # items of a list come without these two
        found: Objects = answer.get("items") or []
        items: Objects = [{"apiVersion": api_version, "kind": kind, **item} for item in found]
        return items, answer["metadata"]["resourceVersion"]

    def _path(self, api_version: str, kind: str, name: str | None, namespace: str | None) -> str:
        resource = self._discovery.resource(api_version, kind)
        if name and resource.namespaced:
            namespace = namespace or self.namespace
        return resource.path(namespace, name)

    def _path_of(self, manifest: Mapping[str, Any], *, collection: bool = False) -> str:
        meta = manifest["metadata"]
        resource = self._discovery.resource(manifest["apiVersion"], manifest["kind"])
        namespace = meta.get("namespace") or self.namespace
        return resource.path(namespace, None if collection else meta["name"])

    def _discover(self, root: str) -> dict[str, Any]:
        return self._http.send("GET", root, accept=ACCEPT).json()
