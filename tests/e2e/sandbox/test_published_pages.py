"""A page of a stack is on this machine's own 127.0.0.1, through its Service, as long as it is there."""

from __future__ import annotations

import ssl
import urllib.error
import urllib.request

from cluster_objects import wait_until
from local_program import free_port
from shared_sandbox import Sandbox

from facts.addresses import URL, Page
from filewallball import paths
from filewallball.sandbox import cluster
from filewallball.sandbox.publisher import published

NAME = "published-page"


def answer(url: str) -> int | None:
    """The status of what answers there; None where nobody does."""
    context = ssl.create_default_context()
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    handlers = urllib.request.HTTPSHandler(context=context), urllib.request.ProxyHandler({})
    try:
        return urllib.request.build_opener(*handlers).open(url, timeout=10).status
    except urllib.error.HTTPError as error:
        return error.code
    except OSError:
        return None


def test_a_page_comes_and_goes_with_its_service(sandbox: Sandbox) -> None:
    page = Page("site", "https", free_port())
    # The API server stands behind it: it is there, and answers whoever asks.
    [endpoint] = [
        each
        for each in sandbox.kube.list("discovery.k8s.io/v1", "EndpointSlice", "default")
        if each["metadata"]["name"] == "kubernetes"
    ]
    service = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"name": NAME, "namespace": "default", "annotations": {URL: str(page)}},
        "spec": {"ports": [{"name": "https", "port": 443}]},
    }
    slices = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": NAME,
            "namespace": "default",
            "labels": {"kubernetes.io/service-name": NAME},
        },
        **{key: endpoint[key] for key in ("addressType", "endpoints", "ports")},
    }
    for manifest in (service, slices):
        sandbox.kube.apply(manifest, manager="tests")
    try:
        wait_until(lambda: answer(page.url()) in (200, 401, 403), f"an answer at {page.url()}")
        wait_until(
            lambda: cluster.status(sandbox.name).pages.get("default/site") == page.url(), "it to be told"
        )
    finally:
        sandbox.kube.delete("v1", "Service", NAME, "default")
        sandbox.kube.delete("discovery.k8s.io/v1", "EndpointSlice", NAME, "default")
    wait_until(lambda: answer(page.url()) is None, f"nobody at {page.url()}")
    folder = paths.sandbox_dir(sandbox.name)
    wait_until(
        lambda: f"default/{NAME}" not in {each.service for each in published(folder)}, "it to be forgotten"
    )
