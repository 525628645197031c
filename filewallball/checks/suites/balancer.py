"""The balancer: requests reach every server, with the headers that the servers need; its pods know it."""

from __future__ import annotations

import json
import socket
import ssl
import time
from collections import Counter
from collections.abc import Iterator, Mapping
from http.client import HTTPConnection, HTTPException, HTTPResponse, HTTPSConnection
from typing import Any, cast

from facts import app
from facts.balancer import NAME, STATUS_PATH
from facts.checks.balancer import BalancerTarget
from filewallball.checks.config import ChecksConfig
from filewallball.checks.result import CheckFailed, CheckSkipped
from filewallball.checks.runner import Check, Suite
from filewallball.checks.suites.reach import unreachable
from filewallball.kube import Kube

SECONDS = 15.0
REQUESTS_PER_SERVER = 10
_PATH = "/login"
"""A page that needs no log-in, and is written to the servers' logs."""
_LOG_SECONDS = 10.0
_LOOK_SECONDS = 0.2
_LOG_LINES = 500


class Answer:
    """An answer of the site. `own`: the address that the request came from."""

    def __init__(self, response: HTTPResponse, own: str) -> None:
        self.status, self.own = response.status, own
        self.server = response.headers.get("X-Served-By", "")
        self.request_id = response.headers.get("X-Request-Id", "")


def _ask(target: BalancerTarget, count: int) -> Iterator[Answer]:
    """Ask for a page so many times, each on a connection of its own: any pod of the balancer gets it."""
    for _ in range(count):
        where = (target.site, target.site_port)
        if target.encrypted:
            link: HTTPConnection = HTTPSConnection(*where, timeout=SECONDS, context=_any_certificate())
        else:
            link = HTTPConnection(*where, timeout=SECONDS)
        try:
            link.request("GET", _PATH, headers={"Host": target.host})
            own = cast("socket.socket", link.sock).getsockname()[0]
            response = link.getresponse()
            yield Answer(response, own)
            response.read()
        finally:
            link.close()


def _any_certificate() -> ssl.SSLContext:
    """Whom to trust is for browsers to say, who come by the site's own name."""
    context = ssl.create_default_context()
    context.check_hostname = False
    context.verify_mode = ssl.CERT_NONE
    return context


def spread(config: ChecksConfig) -> str:
    """Every server of the application answers requests that come through the balancer."""
    target = config[BalancerTarget]
    answers = list(_ask(target, REQUESTS_PER_SERVER * len(target.servers)))
    wrong = Counter(each.status for each in answers if each.status != 200)
    if wrong:
        status, count = wrong.most_common(1)[0]
        raise CheckFailed(
            f"{count} of {len(answers)} requests were answered with {status}",
            "each is answered with 200",
            f"Look at `kubectl -n {config.namespace} logs -l app.kubernetes.io/name={NAME} -c nginx`: each"
            " line names the server that was asked. Then look at the log of that server.",
        )
    found = Counter(each.server for each in answers)
    lacking = [each for each in target.servers if not found[each]]
    if lacking:
        raise CheckFailed(
            f"{', '.join(lacking)} answered none of {len(answers)} requests",
            f"requests reach {', '.join(target.servers)}",
            f"Look at `kubectl -n {config.namespace} get pods -l app.kubernetes.io/name={app.NAME}`. A server"
            " that failed three times gets no requests for 30 seconds.",
        )
    return ", ".join(f"{each} {found[each]}" for each in target.servers)


def headers(config: ChecksConfig) -> str:
    """A server writes the id that the client got, and the address that the client has."""
    target = config[BalancerTarget]
    [answer] = _ask(target, 1)
    if not answer.server:
        raise CheckFailed(
            f"an answer with the status {answer.status} names no server",
            "each answer names its server (X-Served-By)",
            f"Run `kubectl -n {config.namespace} logs -l app.kubernetes.io/name={NAME} -c nginx`.",
        )
    line = _logged(config, answer)
    if line["address"] != answer.own:
        raise CheckFailed(
            f"{answer.server} takes {line['address']} for the client's address, which is {answer.own}",
            "a server knows the addresses of clients (X-Forwarded-For)",
            "Servers believe this header only from the addresses in filewallball:app.trustedProxies: the pods"
            f" of the balancer must be among them. `kubectl -n {config.namespace} get pods -o wide` shows"
            " their addresses. Add a block for them, and run `fwb up`.",
        )
    return f"{answer.server} logged request {answer.request_id[:8]}… of {answer.own}"


def _logged(config: ChecksConfig, answer: Answer) -> Mapping[str, Any]:
    """The line of the server's log with the request's id, which may be some moments late."""
    deadline = time.monotonic() + _LOG_SECONDS
    with Kube.connect() as kube:
        while True:
            text = kube.logs(answer.server, config.namespace, container=app.NAME, tail=_LOG_LINES)
            if line := _line(text, answer.request_id):
                return line
            if '"level": "INFO"' not in text:
                raise CheckSkipped(
                    f"{answer.server} logs no requests",
                    "it logs requests, as it does by default",
                    "Set filewallball:app.logLevel to info, if you want this check.",
                )
            if time.monotonic() > deadline:
                raise CheckFailed(
                    f"{answer.server} logged no request {answer.request_id}",
                    "a server knows the id that the client got (X-Request-Id)",
                    f"Look at `kubectl -n {config.namespace} logs {answer.server} -c {app.NAME}`. If requests"
                    " are logged with other ids, run `fwb up`, which sets the balancer's configuration.",
                )
            time.sleep(_LOOK_SECONDS)


def _line(text: str, request_id: str) -> Mapping[str, Any] | None:
    for line in text.splitlines():
        if request_id in line:
            try:
                found = json.loads(line)
            except ValueError:
                continue
            if isinstance(found, dict) and "address" in found:
                return cast("dict[str, Any]", found)
    return None


def status(config: ChecksConfig) -> str:
    """Each pod of the balancer tells the state of every server, and leaves none of them out."""
    target = config[BalancerTarget]
    pods = sorted({each[4][0] for each in socket.getaddrinfo(target.status, None, type=socket.SOCK_STREAM)})
    down: list[str] = []
    for address in pods:
        told = _status(str(address), target.status_port)
        for group, found in told["upstreams"].items():
            known = {each["name"]: each for each in found["servers"]}
            for server in target.servers:
                state = known[server]["state"] if server in known else "unknown"
                if state in ("down", "backup", "unknown"):
                    down.append(f"{told['balancer']}: {server} ({group}) is {state}")
    if down:
        raise CheckFailed(
            "; ".join(down),
            "every server gets requests from every pod of the balancer",
            f"Look at `kubectl -n {config.namespace} get pods -l app.kubernetes.io/name={app.NAME}`. If they"
            " are well, wait half a minute: then the balancer tries them again.",
        )
    if len(pods) < target.pods:
        raise CheckFailed(
            f"{len(pods)} of {target.pods} pods answer",
            "each pod answers",
            f"Look at `kubectl -n {config.namespace} get pods -l app.kubernetes.io/name={NAME}`.",
        )
    return f"pods: {len(pods)}; servers that get requests: {len(target.servers)}"


def _status(address: str, port: int) -> Mapping[str, Any]:
    link = HTTPConnection(address, port, timeout=SECONDS)
    try:
        link.request("GET", f"{STATUS_PATH}?format=json")
        return json.loads(link.getresponse().read())
    finally:
        link.close()


def explain(config: ChecksConfig, error: Exception) -> CheckFailed | None:
    """What a client of HTTP raises."""
    if isinstance(error, OSError | HTTPException | ValueError):
        return unreachable(f"{error}", "the balancer", config.namespace, f"deployment/{NAME}")
    return None


CHECKS = (
    Check("balancer-spread", spread, quick=True, timeout=60, explain=explain),
    Check("balancer-headers", headers, timeout=60, explain=explain),
    Check("balancer-status", status, quick=True, timeout=60, explain=explain),
)

SUITE = Suite(BalancerTarget, CHECKS, place=5)
"""First: it is what users feel first."""
