"""A small Kubernetes client over plain dicts, for the engine, the sandbox and the checks."""

from filewallball.kube.client import Kube
from filewallball.kube.discovery import Discovery, Resource
from filewallball.kube.errors import KubeError, UnknownKind, Unreachable

__all__ = ["Discovery", "Kube", "KubeError", "Resource", "UnknownKind", "Unreachable"]
