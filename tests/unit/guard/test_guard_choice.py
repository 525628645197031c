"""Whom a guard closes."""

from __future__ import annotations

from filewallball.guard.choice import Client, beyond, of_applications, read

# As Redis 7.0 and Valkey 8.1 write them.
REDIS = (
    "id=3 addr=/run/redis/redis.sock:0 laddr=/run/redis/redis.sock:0 fd=8 name= age=4 idle=0 flags=U db=0"
    " sub=0 psub=0 ssub=0 multi=-1 qbuf=26 qbuf-free=20448 argv-mem=10 multi-mem=0 rbs=16384 rbp=16384 obl=0"
    " oll=0 omem=0 tot-mem=37786 events=r cmd=client|list user=guard redir=-1 resp=2\n"
)
VALKEY = (
    "id=17 addr=10.1.0.7:40312 laddr=10.1.0.9:6379 fd=12 name=fwb-check age=0 idle=0 flags=N capa= db=0 sub=0"
    " psub=0 ssub=0 multi=-1 watch=0 qbuf=0 qbuf-free=0 argv-mem=0 multi-mem=0 rbs=16384 rbp=16384 obl=0"
    " oll=0 omem=0 tot-mem=17112 events=r cmd=NULL user=default redir=-1 resp=2 lib-name= lib-ver="
    " tot-net-in=0 tot-net-out=0 tot-cmds=0\n"
    "id=9 addr=10.1.0.5:1 laddr=10.1.0.9:6379 fd=9 name= age=900 idle=1 flags=S capa= db=0 sub=0 psub=0"
    " ssub=0 multi=-1 watch=0 qbuf=0 argv-mem=0 multi-mem=0 rbs=1024 rbp=0 obl=0 oll=0 omem=0"
    " tot-mem=1928 events=r cmd=replconf user=replica redir=-1 resp=2 lib-name= lib-ver=\n"
)
OWN = ("checks", "guard")


def app(number: int, command: str = "get") -> Client:
    return Client(number, "", "app", command)


def anonymous(number: int, command: str = "NULL") -> Client:
    return Client(number, "", "default", command)


def test_client_lists_of_both_servers_are_read() -> None:
    assert read(REDIS) == [Client(3, "", "guard", "client|list", "U")]
    assert read(VALKEY) == [
        Client(17, "fwb-check", "default", "NULL", "N"),
        Client(9, "", "replica", "replconf", "S"),
    ]
    assert read("") == []


def test_nobody_is_closed_within_the_share() -> None:
    assert beyond([app(1), app(2), anonymous(3)], 3, OWN, 0) == ([], 0)


def test_the_newest_go_in_whatever_order_the_server_lists_them() -> None:
    assert beyond([app(12), app(7), app(100), app(9)], 2, OWN, 100) == ([100, 12], 2)


def test_connections_that_never_logged_in_count_as_the_others_do() -> None:
    clients = [app(1), anonymous(2), app(3), anonymous(4, "ping")]
    assert beyond(clients, 2, OWN, 4) == ([4, 3], 2)


def test_the_products_users_are_neither_closed_nor_counted() -> None:
    own = [Client(number, "", user, "ping") for number, user in enumerate(OWN * 20, start=50)]
    assert beyond([*own, app(1), app(2)], 2, OWN, 0) == ([], 0)
    assert beyond([*own, app(1), app(2), app(3)], 2, OWN, 0) == ([3], 1)


def test_links_between_servers_are_spared_whoever_they_logged_in_as() -> None:
    links = [Client(90, "", "default", "replconf", "S"), Client(91, "", "default", "set", "M")]
    assert beyond([app(1), *links], 1, OWN, 0) == ([], 0)


def test_who_is_just_logging_in_is_spared_once() -> None:
    """One of the product's own looks the same at that moment."""
    clients = [app(1), app(2), anonymous(3), anonymous(4, "ping"), anonymous(5, "auth")]
    assert beyond(clients, 2, OWN, 2) == ([], 3)
    assert beyond(clients, 2, OWN, 5) == ([5, 4, 3], 3)


def test_who_has_done_something_is_not_just_logging_in() -> None:
    """In Valkey the applications' user is `default`, as is that of nobody."""
    assert beyond([app(1), anonymous(2, "get")], 1, OWN, 0) == ([2], 1)


def test_some_connections_with_the_checks_name_are_spared_and_no_more() -> None:
    named = [Client(number, "fwb-check-1a", "default", "get") for number in range(100, 120)]
    assert len(of_applications([app(1), *named], OWN)) == 1 + 20 - 16
    closed, excess = beyond([app(1), *named], 1, OWN, 200)
    assert (closed, excess) == ([103, 102, 101, 100], 4)
