"""New passwords for a real Redis while clients log in all the time: nobody is refused."""

from __future__ import annotations

from datetime import timedelta

from cache_pod import PORT, Cache
from changing_passwords import Clients, World, redis_login

from filewallball.passwords.change import Change
from filewallball.passwords.servers import SERVERS

REDIS = SERVERS["redis"]


def test_no_client_is_refused_while_passwords_change(cache: Cache) -> None:
    folder = cache.root / "secrets/redis-credentials"

    def restart() -> None:
        """In the overlap: what makes the users at the start knows both passwords."""
        cache.restart()
        cache.wait(lambda: cache.probe("ready")[0], "the guard has opened the port")
        clients.restart()

    world = World(REDIS, cache.passwords, [folder], {"redis": cache.host}, restart)
    cache.start_guard()
    with Clients(folder, {user: redis_login(cache.host, PORT, user) for user in REDIS.users}) as clients:
        connected = cache.client("app")
        connected.set("kept", "here")
        Change(world, [REDIS], world.say, "dev").rotate(timedelta(seconds=3))
    assert clients.refused == []
    assert clients.entered > 50
    now = world.read(REDIS)
    assert not set(now.current.values()) & set(cache.passwords.values())
    cache.passwords = dict(now.current)
    assert cache.client("app").ping()
    said = cache.said() + (cache.root / "log").read_text()
    assert not [text for text in now.current.values() if text in said]
