"""The sandbox that all end-to-end tests share, one for all workers of pytest-xdist."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator

import pytest
from cluster_objects import BUSYBOX
from shared_sandbox import Sandbox, shared_sandbox


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """The sandbox `e2e`, or the one that FWB_E2E_SANDBOX names.

    Tests keep to namespaces of their own in it and leave it running.
    """
    with shared_sandbox(os.environ.get("FWB_E2E_SANDBOX", "e2e")) as found:
        found.ensure_images(BUSYBOX)
        yield found


@pytest.fixture
def namespace(sandbox: Sandbox) -> Iterator[str]:
    """A namespace for one test; its deletion isn't waited for."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    sandbox.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    sandbox.kube.delete("v1", "Namespace", name)
