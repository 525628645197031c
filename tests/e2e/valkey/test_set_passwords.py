"""New passwords for a whole set while clients log in all the time: nobody is refused, and it stays whole."""

from __future__ import annotations

import signal
from datetime import timedelta
from typing import Any

import pytest
from changing_passwords import Clients, World, redis_login
from local_set import MASTER, LocalSet, wait_for
from redis.exceptions import ResponseError

from facts.valkey import PORT, SENTINEL_PORT
from filewallball.passwords.change import Change
from filewallball.passwords.servers import SERVERS

VALKEY = SERVERS["valkey"]


@pytest.mark.timeout(240)
def test_no_client_is_refused_while_passwords_change(idle: LocalSet) -> None:
    first = dict(idle.passwords)
    folders = [each.folder / "secrets/valkey-credentials" for each in idle.everything]
    hosts = {each.pod.name: each.pod.host for each in idle.everything}
    replica, sentinel = idle.members[2], idle.sentinels[4]

    def restart() -> None:
        """A replica and a Sentinel, in the overlap: their scripts know both passwords."""
        for each in (replica, sentinel):
            idle.kill(each, signal.SIGTERM)
            idle.start_server(each)
        clients.restart()

    world = World(VALKEY, first, folders, hosts, restart)
    idle.start()
    primary = idle.wait_whole()
    logins = {
        "app": redis_login(primary.pod.host, PORT, "default"),
        "backup": redis_login(idle.members[1].pod.host, PORT, "backup"),
        "sentinel": redis_login(idle.sentinels[0].pod.host, SENTINEL_PORT, "default"),
        "checks": redis_login(idle.sentinels[1].pod.host, SENTINEL_PORT, "checks"),
    }
    wait_for(lambda: len(config_epochs(idle)) == 1, 20, lambda: f"epochs {config_epochs(idle)}")
    epochs = config_epochs(idle)
    with Clients(folders[0], logins) as clients:
        Change(world, [VALKEY], world.say, "dev").rotate(timedelta(seconds=5))
    assert clients.refused == []
    assert clients.entered > 100
    now = world.read(VALKEY)
    assert not set(now.current.values()) & set(first.values())
    idle.passwords = dict(now.current)
    assert idle.wait_whole() == primary
    assert config_epochs(idle) == epochs, "nobody was taken for down"
    # The links are made anew with the new ones: a replica's, and those of the Sentinels.
    for each in (idle.members[1], idle.sentinels[2]):
        idle.kill(each, signal.SIGTERM)
        idle.start_server(each)
    idle.wait_whole()
    wait_for(lambda: quorum(idle), 20, lambda: f"named {idle.named()}")


def quorum(of: LocalSet) -> bool:
    sentinel: Any = of.client(of.sentinels[2], "sentinel")
    try:
        return str(sentinel.execute_command("SENTINEL", "CKQUORUM", MASTER)).startswith(("OK", "True"))
    except ResponseError:
        return False


def config_epochs(of: LocalSet) -> set[str]:
    """What the Sentinels know; soon after a start one may not have heard of the newest yet."""

    def known(sentinel: Any) -> str:
        flat: list[str] = sentinel.execute_command("SENTINEL", "MASTER", MASTER)
        return dict(zip(flat[::2], flat[1::2], strict=True))["config-epoch"]

    return {known(of.client(each, "sentinel")) for each in of.sentinels}
