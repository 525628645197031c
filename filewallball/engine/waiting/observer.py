"""Live views of the cluster, one watch per kind and namespace, shared by everything that waits."""

from __future__ import annotations

import threading
from typing import Any

from filewallball.errors import UserError
from filewallball.kube import Kube, KubeError

Object = dict[str, Any]
WATCH_FOR = 24 * 3600.0
"""How long one watch may last, in seconds: more than any run takes."""


class View:
    """The objects of one kind in one namespace, kept up to date by a thread of its own."""

    def __init__(self) -> None:
        self.objects: dict[str, Object] = {}


class Observer:
    """Opens views as they are asked for, and wakes whoever waits when any of them changes."""

    def __init__(self, kube: Kube) -> None:
        self._kube = kube
        self._views: dict[tuple[str, str, str], View] = {}
        self._changed = threading.Condition()
        self._closed = False
        self._error: UserError | None = None

    def view(self, api_version: str, kind: str, namespace: str) -> View:
        """The view of a kind; it fills within milliseconds of the first call."""
        with self._changed:
            view = self._views.get((api_version, kind, namespace))
            if view is None:
                view = self._views[api_version, kind, namespace] = View()
                arguments = (view, api_version, kind, namespace)
                # a watch may be silent for long: its thread must not keep the process alive
                threading.Thread(
                    target=self._follow, args=arguments, name=f"watch {kind}", daemon=True
                ).start()
        return view

    def objects(self, api_version: str, kind: str, namespace: str) -> list[Object]:
        """What the view holds at this moment."""
        view = self.view(api_version, kind, namespace)
        with self._changed:
            return list(view.objects.values())

    def wait(self, seconds: float) -> None:
        """Return when something has changed, or after `seconds`. Raises what ended a watch."""
        with self._changed:
            if not self._closed and not self._error:
                self._changed.wait(seconds)
            if self._error:
                raise self._error

    def close(self) -> None:
        """Stop following; the threads end with their next event."""
        with self._changed:
            self._closed = True
            self._changed.notify_all()

    def _follow(self, view: View, api_version: str, kind: str, namespace: str) -> None:
        try:
            for change, obj in self._kube.watch(api_version, kind, namespace or None, timeout=WATCH_FOR):
                with self._changed:
                    if self._closed:
                        return
                    if change == "DELETED":
                        view.objects.pop(obj["metadata"]["name"], None)
                    else:
                        view.objects[obj["metadata"]["name"]] = obj
                    self._changed.notify_all()
        except UserError as error:
            with self._changed:
                if isinstance(error, KubeError) and error.status == 404:
                    # Its definition is gone, and with it all objects; should it come back, look anew.
                    view.objects.clear()
                    self._views.pop((api_version, kind, namespace), None)
                elif not self._closed:
                    self._error = error
                self._changed.notify_all()
        except Exception:  # the client was closed under a watch that nobody needs any more
            if not self._closed:
                raise
