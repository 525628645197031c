"""Where nginx sends requests, and what the status page says of it: they agree."""

from __future__ import annotations

import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from typing import Any

import httpx2 as httpx
import pytest
from balanced import HOST, Application, Balancer, start, wait_for
from nginx_pods import NEW, OLD

Make = Callable[..., Balancer]
LONGEST = ".".join(letter * 63 for letter in "abcd")[:253]
"""No name of a host is longer."""
of_each_version = pytest.mark.parametrize("reference", [NEW, pytest.param(OLD, marks=pytest.mark.nightly)])


def served(balancer: Balancer, count: int = 60) -> Counter[str]:
    """Who answered."""
    return Counter(balancer.get().headers["X-Served-By"] for _ in range(count))


def failed(balancer: Balancer, name: str) -> bool:
    return balancer.states()[name]["state"] == "down"


@pytest.mark.parametrize("reference", [NEW, OLD])
def test_every_version_takes_the_configuration(
    balancer: Make, apps: list[Application], reference: str
) -> None:
    everything: dict[str, Any] = {
        "trusted_proxies": ["10.0.0.0/8", "fd00::/8"],
        "hosts": ["mincenter.kr", "*.mincenter.kr"],
        "any_host": True,
    }
    for settings in ({}, everything, {"hosts": [LONGEST, f"*.{LONGEST[2:]}"]}):
        told = balancer(apps, reference, **settings).test()
        assert told.returncode == 0, told.stderr
        assert "[warn]" not in told.stderr


def test_a_configuration_that_nginx_refuses_is_found_before_a_pod_gets_it(
    balancer: Make, apps: list[Application]
) -> None:
    wrong = balancer(apps)
    (wrong.config / "upstreams.conf").write_text("upstream site { server no-such-host.invalid:3000; }\n")
    told = wrong.test()
    assert told.returncode == 1
    assert "host not found in upstream" in told.stderr


@of_each_version
def test_requests_spread_and_a_killed_server_costs_nobody_an_error(
    balancer: Make, apps: list[Application], reference: str
) -> None:
    pod = balancer(apps, reference).start()
    assert served(pod) == {"app-0": 20, "app-1": 20, "app-2": 20}
    assert {each["state"] for each in pod.states().values()} == {"up"}
    apps[1].kill()
    answers = [pod.get() for _ in range(60)]
    assert {each.status_code for each in answers} == {200}
    wait_for(lambda: failed(pod, "app-1"))
    assert set(served(pod)) == {"app-0", "app-2"}
    told = pod.states()["app-1"]
    assert told["fails"] == 3
    assert 25 < told["retry_in_seconds"] <= 31
    assert "Connection refused" in told["last_failure_reason"]


def test_all_servers_failing_for_a_second_costs_only_that_second(
    balancer: Make, apps: list[Application]
) -> None:
    pod = balancer(apps).start()
    for each in apps:
        each.kill()
    assert {pod.get().status_code for _ in range(20)} == {502}
    wait_for(lambda: {each["state"] for each in pod.states().values()} == {"backup"})
    start(apps)
    assert {pod.get().status_code for _ in range(30)} == {200}
    assert set(served(pod)) == {"app-0", "app-1", "app-2"}
    assert all(each["gets_requests"] and each["fails"] == 3 for each in pod.states().values())


def test_a_frozen_server_costs_one_time_limit_and_then_nothing(
    balancer: Make, apps: list[Application]
) -> None:
    """Also where a log-in, or an upload, may take longer."""
    pod = balancer(apps).start()
    served(pod, 9)
    apps[2].freeze()
    try:
        slow: list[float] = []
        for number, path in enumerate(("/login", "/files", "/"), 1):
            while pod.states()["app-2"]["fails"] < number:
                begin = time.monotonic()
                assert pod.get(path).status_code == 200
                slow.append(time.monotonic() - begin)
                assert len(slow) < 100
        wait_for(lambda: failed(pod, "app-2"))
        assert max(slow) < 2 * pod.settings.silence_seconds
        names, took = set[str](), list[float]()
        for _ in range(30):
            begin = time.monotonic()
            names |= {*served(pod, 1)}
            took.append(time.monotonic() - begin)
        assert names == {"app-0", "app-1"}
        assert max(took) < pod.settings.silence_seconds, "nobody waited for the frozen one"
    finally:
        apps[2].thaw()
    assert "timed out" in pod.states()["app-2"]["last_failure_reason"]


def test_what_can_not_be_repeated_is_not_sent_twice(balancer: Make, apps: list[Application]) -> None:
    pod = balancer(apps[:2]).start()
    for each in apps[:2]:
        each.freeze()
    try:
        answers = [pod.client.post("/", content=b"once").status_code for _ in range(2)]
    finally:
        for each in apps[:2]:
            each.thaw()
    assert answers == [504, 504]
    wait_for(lambda: sum(each["requests"] for each in pod.states().values()) >= 2)
    assert [each["requests"] for each in pod.states().values()] == [1, 1]


def test_one_answer_of_502_is_asked_for_elsewhere_and_one_of_503_is_not(
    balancer: Make, apps: list[Application]
) -> None:
    pod = balancer(apps).start()
    assert pod.get("/?status=503").status_code == 503
    assert sum(each["failures"] for each in pod.states().values()) == 0
    assert pod.get("/?status=502").status_code == 502
    wait_for(lambda: sum(each["failures"] for each in pod.states().values()) == 3)


@of_each_version
def test_a_pod_that_stops_loses_no_request(balancer: Make, apps: list[Application], reference: str) -> None:
    pod = balancer(apps, reference, drain_seconds=3, silence_seconds=10).start()
    answers: list[int] = []
    stopping = threading.Event()

    def ask() -> None:
        with httpx.Client(base_url=pod.url, headers={"Host": HOST}, trust_env=False) as client:
            while True:
                answer = client.get("/?sleep=0.01")
                answers.append(answer.status_code)
                # In a cluster, the next connection goes to another pod.
                if answer.headers["Connection"] == "close" and stopping.is_set():
                    return

    threads = [threading.Thread(target=ask) for _ in range(4)]
    threads.append(threading.Thread(target=lambda: answers.append(pod.get("/?sleep=4").status_code)))
    for each in threads:
        each.start()
    wait_for(lambda: len(answers) > 20)
    pod.nginx.terminate()
    stopping.set()
    for each in threads[:4]:
        each.join()
    assert pod.nginx.poll() is None, "no client has a connection left when it closes those that are idle"
    threads[4].join()
    assert set(answers) == {200}
    assert pod.nginx.wait(10) == 0


def test_what_runs_beside_nginx_knows_the_state_after_a_restart_of_its_own(
    balancer: Make, apps: list[Application]
) -> None:
    pod = balancer(apps).start()
    apps[0].kill()
    served(pod, 30)
    wait_for(lambda: failed(pod, "app-0"))
    pod.beside.kill()
    pod.beside.wait()
    assert pod.get().status_code == 200
    pod.start_beside()
    assert wait_for(lambda: failed(pod, "app-0"))
    assert pod.get(headers={"Host": HOST}).status_code == 200


def test_what_came_while_its_neighbour_had_no_processor_is_counted(
    balancer: Make, apps: list[Application]
) -> None:
    pod = balancer(apps).start()
    pod.beside.send_signal(signal.SIGSTOP)
    try:
        served(pod, 150)
    finally:
        pod.beside.send_signal(signal.SIGCONT)
    wait_for(lambda: sum(each["requests"] for each in pod.states().values()) == 150)
