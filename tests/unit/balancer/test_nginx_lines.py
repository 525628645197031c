"""What nginx sends: lines as nginx 1.22 and 1.26 wrote them."""

from __future__ import annotations

from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from filewallball.balancer import lines
from filewallball.balancer.peers import Try

HEAD = "<190>Nov 27 03:40:38 nginx: "
DISABLED = (
    "2026/11/27 03:40:38 [warn] 28412#28412: *6 upstream server temporarily disabled while connecting to"
    ' upstream, client: 127.0.0.1, server: mincenter.kr, request: "GET / HTTP/1.1", upstream:'
    ' "http://10.0.0.1:3000/", host: "mincenter.kr"'
)
REFUSED = DISABLED.replace("[warn]", "[error]").replace(
    "upstream server temporarily disabled", "connect() failed (111: Connection refused)"
)


def test_the_text_stands_behind_syslogs_head() -> None:
    assert lines.text_of(f"{HEAD}tries 1|a: b".encode()) == "tries 1|a: b"
    assert lines.text_of(b"\xff\xfe") == ""


def test_a_request_that_one_server_answered() -> None:
    assert lines.tries("tries 100.500|10.0.0.1:3000|200|0.200|0.500") == [
        Try("10.0.0.1:3000", 100.0, 100.5, "200", True, False)
    ]


@pytest.mark.parametrize(
    ("text", "failed"),
    [
        ("10.0.0.1:3000, 10.0.0.2:3000|502, 200|-, 0.004|0.000, 0.004", [True, False]),
        ("10.0.0.1:3000, 10.0.0.2:3000|504, 503|-, 0.004|1.000, 0.004", [True, False]),
        ("10.0.0.1:3000, 10.0.0.2:3000|502, 502|0.001, 0.004|0.001, 0.004", [True, False]),
        ("10.0.0.1:3000, 10.0.0.2:3000|502, 502|-, -|0.001, 0.004", [True, True]),
        ("10.0.0.1:3000|-|-|0.300", [False]),
        ("[fd00::1]:3000|200|0.1|0.1", [False]),
        ("site|502|-|0.000", [True]),
        ("-|-|-|-", [False]),
        ("10.0.0.1:3000|200|0.1", []),
        ("10.0.0.1:3000, 10.0.0.2:3000|200|0.1|0.1", []),
    ],
)
def test_what_counts_against_a_server(text: str, failed: list[bool]) -> None:
    found = lines.tries(f"tries 100.000|{text}")
    assert found is not None
    assert [one.failed for one in found] == failed


def test_tries_follow_one_another() -> None:
    found = lines.tries("tries 100.000|10.0.0.1:3000, 10.0.0.2:3000|504, 200|-, 0.5|5.000, 1.000")
    assert found is not None
    assert [(one.start, one.end) for one in found] == [(94.0, 99.0), (99.0, 100.0)]


def test_the_error_log_names_the_server_and_says_that_it_is_left_out() -> None:
    at = int(datetime(2026, 11, 27, 3, 40, 38).astimezone().timestamp())
    assert lines.told(DISABLED) == lines.Told(
        "10.0.0.1:3000", "upstream server temporarily disabled", True, at
    )
    reason = "connect() failed (111: Connection refused)"
    assert lines.told(REFUSED) == lines.Told("10.0.0.1:3000", reason, False, at)
    v6 = lines.told(REFUSED.replace("10.0.0.1:3000", "[fd00::1]:3000"))
    assert v6
    assert v6.address == "[fd00::1]:3000"
    without = lines.told(DISABLED.replace("2026/11/27", "27/11/2026"))
    assert without
    assert (without.disabled, without.at) == (True, None)
    assert lines.told("2026/11/27 03:40:38 [notice] 1#1: start worker process 7") is None


def test_a_request_can_not_pretend_to_be_a_server() -> None:
    """A client chooses its path and its headers; nginx escapes quotes in what it logs."""
    line = REFUSED.replace("GET / ", 'GET /?upstream:%20"http://10.0.0.9:3000/" ')
    found = lines.told(line)
    assert found
    assert found.address == "10.0.0.1:3000"


@given(st.text())
def test_any_text_is_taken(text: str) -> None:
    lines.told(text)
    for line in (text, f"tries {text}"):
        try:
            lines.tries(line)
        except ValueError as error:
            assert "float" in str(error)  # noqa: PT017 - the only one that callers expect
