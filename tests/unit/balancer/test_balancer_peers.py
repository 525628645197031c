"""The model of nginx's servers against nginx's own reckoning, line by line of its source."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from facts.balancer import FAIL_TIMEOUT, MAX_FAILS, Server
from filewallball.balancer.peers import Peer, Try, Upstreams

SERVER = Server("app-0", "app-0", 3000)
OTHER = Server("app-1", "app-1", 3000)
ADDRESS = "10.0.0.1:3000"
NOW = 1_000_000.0


def ended(at: float, *, failed: bool = False, took: float = 0.0, address: str = ADDRESS) -> Try:
    return Try(address, at - took, at, "502" if failed else "200", not failed, failed)


def peer(*tries: Try) -> Peer:
    found = Peer(SERVER, ADDRESS)
    for one in tries:
        found.take(one)
    return found


class Nginx:
    """ngx_http_upstream_rr_peer_t and the two functions that change it, as in the source of 1.26."""

    def __init__(self) -> None:
        self.fails = self.accessed = self.checked = 0

    def get(self, now: int) -> bool:
        """Of ngx_http_upstream_get_least_conn_peer: whether the peer is taken."""
        if self.fails >= MAX_FAILS and now - self.checked <= FAIL_TIMEOUT:
            return False
        if now - self.checked > FAIL_TIMEOUT:
            self.checked = now
        return True

    def free(self, now: int, *, failed: bool) -> None:
        """Of ngx_http_upstream_free_round_robin_peer."""
        if failed:
            self.fails += 1
            self.accessed = now
            self.checked = now
        elif self.accessed < self.checked:
            self.fails = 0


@given(st.lists(st.tuples(st.integers(0, 40), st.booleans()), max_size=60))
def test_the_model_agrees_with_nginx_on_every_history(history: list[tuple[int, bool]]) -> None:
    nginx, model, now = Nginx(), Peer(SERVER, ADDRESS), int(NOW)
    for pause, failed in history:
        now += pause
        assert model.left_out(now) != nginx.get(now)
        if not model.left_out(now):
            nginx.free(now, failed=failed)
            model.take(ended(now, failed=failed))
        assert (model.fails, model.accessed) == (nginx.fails, nginx.accessed)
        assert (model.state(now, all_down=False) == "down") == (not nginx.get(now))


def test_three_failures_leave_a_server_out_for_the_time_that_nginx_says() -> None:
    found = peer(*(ended(NOW + n, failed=True) for n in range(3)))
    assert found.state(NOW + 2, all_down=False) == "down"
    assert found.retry_at() == NOW + 2 + FAIL_TIMEOUT + 1
    assert found.state(NOW + 2 + FAIL_TIMEOUT + 0.9, all_down=False) == "down"
    assert found.state(NOW + 2 + FAIL_TIMEOUT + 1, all_down=False) == "retry"


def test_a_success_between_failures_forgets_none_of_them() -> None:
    """Not a window, and not failures in a row: only a quiet time makes nginx forget."""
    found = peer(
        ended(NOW, failed=True), ended(NOW + 1), ended(NOW + 29, failed=True), ended(NOW + 58, failed=True)
    )
    assert found.state(NOW + 58, all_down=False) == "down"
    quiet = peer(ended(NOW, failed=True), ended(NOW + 31))
    assert (quiet.fails, quiet.state(NOW + 31, all_down=False)) == (0, "up")
    assert peer(ended(NOW, failed=True), ended(NOW + 30)).state(NOW + 30, all_down=False) == "failing"


def test_one_try_after_the_time_brings_it_back_or_leaves_it_out_again() -> None:
    down = [ended(NOW, failed=True) for _ in range(3)]
    later = NOW + FAIL_TIMEOUT + 1
    assert peer(*down, ended(later)).state(later, all_down=False) == "up"
    again = peer(*down, ended(later, failed=True))
    assert again.state(later + FAIL_TIMEOUT, all_down=False) == "down"


def test_what_the_backup_lines_answer_changes_nothing() -> None:
    down = [ended(NOW, failed=True) for _ in range(3)]
    found = peer(*down, ended(NOW + 5), ended(NOW + 6, failed=True))
    assert (found.fails, found.checked, found.requests, found.failures) == (3, int(NOW), 5, 4)
    assert found.state(NOW + 6, all_down=True) == "backup"


def test_nginx_saying_so_counts_before_the_requests_have_ended() -> None:
    found = Peer(SERVER, ADDRESS)
    found.disable(NOW)
    assert found.state(NOW, all_down=False) == "down"
    found.take(ended(NOW + 4, failed=True, took=5))
    assert (found.fails, found.checked) == (3, int(NOW))


def test_a_server_is_known_by_every_address_of_its_name() -> None:
    addresses = {SERVER: ["10.0.0.1", "fd00::1"], OTHER: ["10.0.0.2"]}
    found = Upstreams({"site": (SERVER, OTHER)}, addresses)
    assert [each.address for each in found.groups[0].peers] == [ADDRESS, "[fd00::1]:3000", "10.0.0.2:3000"]
    found.take([ended(NOW, failed=True, address="[fd00::1]:3000"), ended(NOW, address="10.9.9.9:3000")])
    assert found["[fd00::1]:3000"].fails == 1
    found.rename({SERVER: ["fd00::1"], OTHER: []})
    assert found["[fd00::1]:3000"].fails == 1, "what is known of an address stays"
    assert "10.0.0.2:3000" not in found


def test_all_down_is_seen_for_the_group() -> None:
    found = Upstreams({"site": (SERVER, OTHER)}, {SERVER: ["10.0.0.1"], OTHER: ["10.0.0.2"]})
    [group] = found.groups
    found["10.0.0.1:3000"].disable(NOW)
    assert not group.all_down(NOW)
    found["10.0.0.2:3000"].disable(NOW)
    assert group.all_down(NOW)


def test_the_last_minute_is_counted_by_seconds() -> None:
    found = peer(*(ended(NOW + second) for second in range(200)))
    assert found.lately(NOW + 199) == 61
    assert found.lately(NOW + 229) == 31
    assert found.requests == 200
    assert len(found.recent) <= 62
