"""The choice of a sandbox's subnet."""

from __future__ import annotations

import pytest

from filewallball.errors import UserError
from filewallball.sandbox import network


def test_the_first_subnet_is_chosen_on_a_machine_that_uses_none() -> None:
    link = network.choose(None, ["192.168.1.7/24", "172.17.0.0/16"])
    assert (str(link.subnet), link.host, link.node) == ("10.213.0.0/30", "10.213.0.1", "10.213.0.2")
    assert link.interface == "fwb0"


@pytest.mark.parametrize(
    ("taken", "expected"),
    [
        (["10.213.0.0/30"], "10.213.0.4/30"),
        (["10.213.0.5/32"], "10.213.0.0/30"),
        (["10.213.0.0/29", "10.213.0.9/30"], "10.213.0.12/30"),
        (["10.213.0.0/23"], "10.213.2.0/30"),
    ],
)
def test_what_overlaps_an_address_or_a_route_is_passed_over(taken: list[str], expected: str) -> None:
    assert str(network.choose(None, taken).subnet) == expected


def test_a_sandbox_keeps_its_subnet_while_it_is_free() -> None:
    assert str(network.choose("10.213.0.8/30", ["10.213.0.0/30"]).subnet) == "10.213.0.8/30"
    assert str(network.choose("10.213.0.8/30", ["10.213.0.8/30"]).subnet) == "10.213.0.0/30"


def test_interfaces_are_told_apart_and_short_enough_for_the_kernel() -> None:
    names = {network.link(f"10.213.3.{last}/30").interface for last in range(0, 256, 4)}
    assert len(names) == 64
    assert max(map(len, names)) <= 15


def test_a_machine_that_uses_the_whole_range_is_told_so() -> None:
    with pytest.raises(UserError, match=r"No free subnet in 10\.213\.0\.0/22") as caught:
        network.choose(None, ["10.0.0.0/8"])
    assert "ip route" in caught.value.hint
