"""The sandbox that all end-to-end tests share, one for all workers of pytest-xdist, and the stack of some."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest
import valkey_image
from cluster_objects import BUSYBOX
from shared_sandbox import Sandbox, shared_sandbox
from shared_stack import STACK, SharedStack


@pytest.fixture(scope="session")
def sandbox() -> Iterator[Sandbox]:
    """The sandbox `e2e`, or the one that FWB_E2E_SANDBOX names.

    Tests keep to namespaces of their own in it and leave it running.
    """
    with shared_sandbox(os.environ.get("FWB_E2E_SANDBOX", "e2e")) as found:
        found.ensure_images(BUSYBOX)
        yield found


_UP = pytest.StashKey[SharedStack]()


@pytest.fixture(scope="session")
def shared_stack(
    sandbox: Sandbox, tmp_path_factory: pytest.TempPathFactory, pytestconfig: pytest.Config
) -> Iterator[SharedStack]:
    """See shared_stack.py. It goes as soon as no test needs it: `pytest_runtest_teardown`."""
    stack = SharedStack(tmp_path_factory.mktemp("shared"), STACK, sandbox)
    pytestconfig.stash[_UP] = stack
    stack.begin()
    yield stack
    _remove(pytestconfig)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_teardown(item: pytest.Item, nextitem: pytest.Item | None) -> Iterator[None]:
    """Remove the shared stack after the last test on it: idle, it would still take the others' time."""
    yield
    # After the very last test the fixtures' own order counts: the stack goes before the sandbox.
    if nextitem is not None and "shared_stack" not in getattr(nextitem, "fixturenames", ()):
        _remove(item.config)


def _remove(config: pytest.Config) -> None:
    stack = config.stash.get(_UP, None)
    if stack:
        del config.stash[_UP]
        stack.remove()


@pytest.fixture(scope="session")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The files of the image that the stack asks for, unpacked."""
    return valkey_image.unpacked(tmp_path_factory)


@pytest.fixture
def namespace(sandbox: Sandbox) -> Iterator[str]:
    """A namespace for one test; its deletion isn't waited for."""
    name = f"test-{uuid.uuid4().hex[:8]}"
    sandbox.kube.create({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})
    yield name
    sandbox.kube.delete("v1", "Namespace", name)
