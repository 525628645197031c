"""The client against a server that answers as told: retries, errors, watches, discovery."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest

from filewallball.kube import Kube, KubeError, UnknownKind, Unreachable
from filewallball.kube.transport import Transport

CORE = {
    "items": [
        {
            "metadata": {"name": ""},
            "versions": [
                {
                    "version": "v1",
                    "resources": [
                        {"resource": "pods", "responseKind": {"kind": "Pod"}, "scope": "Namespaced"},
                        {"resource": "nodes", "responseKind": {"kind": "Node"}, "scope": "Cluster"},
                    ],
                }
            ],
        }
    ]
}
GROUPS = {
    "items": [
        {
            "metadata": {"name": "apps"},
            "versions": [
                {
                    "version": "v1",
                    "resources": [
                        {
                            "resource": "deployments",
                            "responseKind": {"kind": "Deployment"},
                            "scope": "Namespaced",
                        }
                    ],
                }
            ],
        }
    ]
}
Answer = Callable[[httpx.Request], httpx.Response]


def kube(answer: Answer, patience: float = 5.0) -> Kube:
    def handle(request: httpx.Request) -> httpx.Response:
        if request.url.path in ("/api", "/apis"):
            return httpx.Response(200, json=CORE if request.url.path == "/api" else GROUPS)
        return answer(request)

    http = httpx.Client(base_url="https://server:6443", transport=httpx.MockTransport(handle))
    return Kube(Transport(http, server="https://server:6443", context="shop", patience=patience))


def status(code: int, reason: str, message: str = "no") -> httpx.Response:
    return httpx.Response(code, json={"kind": "Status", "reason": reason, "message": message})


def pod(name: str, version: str = "1", uid: str = "") -> dict[str, Any]:
    return {"metadata": {"name": name, "uid": uid or name, "resourceVersion": version}}


def test_paths() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(f"{request.method} {request.url.raw_path.decode()}")
        return httpx.Response(200, json={"metadata": {"resourceVersion": "1"}, "items": []})

    client = kube(answer)
    client.get("v1", "Pod", "a", "shop")
    client.get("v1", "Pod", "a")
    client.get("v1", "Node", "n", "ignored")
    client.list("apps/v1", "Deployment")
    client.list("v1", "Pod", "shop", labels="a=b")
    client.apply(
        {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "d"}}, manager="me", dry_run=True
    )
    assert seen == [
        "GET /api/v1/namespaces/shop/pods/a",
        "GET /api/v1/namespaces/default/pods/a",
        "GET /api/v1/nodes/n",
        "GET /apis/apps/v1/deployments",
        "GET /api/v1/namespaces/shop/pods?labelSelector=a%3Db",
        "PATCH /apis/apps/v1/namespaces/default/deployments/d?fieldManager=me&force=false&dryRun=All",
    ]


def test_an_object_without_namespace_goes_where_the_context_says() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if request.url.path in ("/api", "/apis"):
            return httpx.Response(200, json=CORE if request.url.path == "/api" else GROUPS)
        seen.append(request.url.path)
        return httpx.Response(200, json=pod("a"))

    http = httpx.Client(base_url="https://server:6443", transport=httpx.MockTransport(answer))
    client = Kube(Transport(http, server="s", context="c", patience=0, namespace="shop"))
    client.get("v1", "Pod", "a")
    client.get("v1", "Pod", "a", "other")
    client.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}})
    assert seen == [
        "/api/v1/namespaces/shop/pods/a",
        "/api/v1/namespaces/other/pods/a",
        "/api/v1/namespaces/shop/pods",
    ]


def test_what_is_not_there_is_none_and_other_errors_are_raised() -> None:
    assert kube(lambda _: status(404, "NotFound")).get("v1", "Pod", "a", "shop") is None
    with pytest.raises(KubeError, match="not yours") as caught:
        kube(lambda _: status(403, "Forbidden", "not yours")).get("v1", "Pod", "a", "shop")
    assert (caught.value.status, caught.value.reason) == (403, "Forbidden")
    assert kube(lambda _: status(404, "NotFound")).delete("v1", "Pod", "a", "shop") is False


def test_an_answer_that_is_no_status_is_passed_on_in_short() -> None:
    with pytest.raises(KubeError, match="HTTP 502: <html>"):
        kube(lambda _: httpx.Response(502, text="<html>" + "x" * 1000)).get("v1", "Pod", "a")


def test_an_unknown_kind_is_asked_for_again_before_it_is_refused() -> None:
    client = kube(lambda _: status(404, "NotFound"))
    with pytest.raises(UnknownKind, match="The cluster serves no Gadget of test/v1"):
        client.get("test/v1", "Gadget", "g")


def failing(times: int, error: Exception | httpx.Response, calls: list[str]) -> Answer:
    def answer(request: httpx.Request) -> httpx.Response:
        calls.append(request.method)
        if len(calls) <= times:
            if isinstance(error, httpx.Response):
                return httpx.Response(error.status_code, text=error.text)
            raise error
        return httpx.Response(200, json=pod("a"))

    return answer


SLOW = [
    httpx.Response(504, text="the server was unable to return a response in the time allotted"),
    httpx.Response(500, text='{"message":"etcdserver: request timed out"}'),
    httpx.Response(500, text='{"message":"Get \\"https://node:10250/\\": error dialing backend: EOF"}'),
]


@pytest.mark.parametrize(
    "fault", [httpx.ConnectError("refused"), httpx.ReadError("reset"), httpx.Response(503), *SLOW]
)
def test_what_is_safe_to_repeat_is_repeated(fault: Exception | httpx.Response) -> None:
    calls: list[str] = []
    client = kube(failing(2, fault, calls))
    client.discovery().resource("v1", "Pod")  # the server has answered before
    found = client.get("v1", "Pod", "a", "shop")
    assert found
    assert len(calls) == 3


def test_an_error_of_the_servers_own_is_not_asked_for_again() -> None:
    calls: list[str] = []
    client = kube(failing(2, httpx.Response(500, text="failed calling webhook"), calls))
    with pytest.raises(KubeError, match="failed calling webhook"):
        client.get("v1", "Pod", "a", "shop")
    assert calls == ["GET"]


@pytest.mark.parametrize("fault", [httpx.ReadError("reset"), *SLOW])
def test_a_create_is_not_sent_twice_once_it_may_have_arrived(fault: Exception | httpx.Response) -> None:
    calls: list[str] = []
    client = kube(failing(1, fault, calls))
    with pytest.raises((Unreachable, KubeError)):
        client.create({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}})
    assert calls == ["POST"]
    calls.clear()
    kube(failing(1, httpx.ConnectError("refused"), calls)).create(
        {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "a"}}
    )
    assert calls == ["POST", "POST"]


def test_unreachable_names_server_and_context() -> None:
    client = kube(failing(10**6, httpx.ConnectError("refused"), []), patience=0.0)
    with pytest.raises(Unreachable, match=r"https://server:6443 \(context shop\): refused"):
        client.version()


def lines(*events: tuple[str, dict[str, Any]]) -> httpx.Response:
    text = "".join(json.dumps({"type": kind, "object": obj}) + "\n" for kind, obj in events)
    return httpx.Response(200, text=text)


def test_a_watch_lists_anew_when_its_version_has_expired() -> None:
    lists = [[pod("a"), pod("b")], [pod("b"), pod("c")]]
    watches = [
        lines(("MODIFIED", pod("a", "2")), ("BOOKMARK", pod("", "3")), ("ERROR", {"code": 410})),
        lines(("DELETED", pod("c", "9"))),
    ]
    versions: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        if "watch" in request.url.params:
            versions.append(request.url.params["resourceVersion"])
            return watches.pop(0) if watches else status(410, "Gone")
        items = lists.pop(0) if lists else []
        return httpx.Response(200, json={"metadata": {"resourceVersion": "7"}, "items": items})

    seen: list[tuple[str, str]] = []
    for change, obj in kube(answer).watch("v1", "Pod", "shop", timeout=30):
        seen.append((change, obj["metadata"]["name"]))
        if len(seen) == 8:
            break
    assert seen == [
        ("ADDED", "a"),
        ("ADDED", "b"),
        ("MODIFIED", "a"),
        ("DELETED", "a"),
        ("ADDED", "b"),
        ("ADDED", "c"),
        ("DELETED", "c"),
        ("DELETED", "b"),
    ]
    assert versions == ["7", "7", "9"]


def test_a_watch_outlives_a_slow_server() -> None:
    watches = [httpx.Response(500, text="etcdserver: leader changed"), lines(("ADDED", pod("b", "8")))]

    def answer(request: httpx.Request) -> httpx.Response:
        if "watch" in request.url.params:
            return watches.pop(0)
        return httpx.Response(200, json={"metadata": {"resourceVersion": "7"}, "items": [pod("a")]})

    seen = kube(answer).watch("v1", "Pod", "shop", timeout=30)
    assert [next(seen)[1]["metadata"]["name"] for _ in range(3)] == ["a", "a", "b"]


def test_a_delete_guarded_by_uid_spares_the_successor() -> None:
    bodies: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content))
        return status(409, "Conflict", "the UID in the precondition does not match")

    assert kube(answer).delete("v1", "Pod", "a", "shop", uid="old") is False
    assert bodies == [{"propagationPolicy": "Background", "preconditions": {"uid": "old"}}]


def test_a_delete_guarded_by_version_spares_what_was_changed() -> None:
    bodies: list[Any] = []

    def answer(request: httpx.Request) -> httpx.Response:
        bodies.append(json.loads(request.content)["preconditions"])
        return status(409, "Conflict", "the ResourceVersion in the precondition does not match")

    assert kube(answer).delete("v1", "Pod", "a", "shop", uid="u", resource_version="7") is False
    assert bodies == [{"uid": "u", "resourceVersion": "7"}]
