"""MariaDB from an asyncio program: a bounded number of threads, a limit on every wait, and a breaker.

Whatever happens to the server, a call ends within some seconds: with its result, or with Unavailable.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from sqlalchemy import URL, Connection, Engine, create_engine, event
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

from filewallball.app import connecting
from filewallball.app.breaker import Breaker
from filewallball.app.errors import Unavailable
from filewallball.app.settings import Database as Settings
from filewallball.app.settings import WrongSetting
from filewallball.app.threads import Threads

CONNECTIONS = 8
QUEUE_SECONDS = 2.0
STATEMENT_SECONDS = 2
"""After this the server itself gives a statement up."""
_GONE = {1040, 1044, 1045, 1049, 1053, 1129, 1203, 1927, 2002, 2003, 2006, 2013, 2014, 2055}
"""No connection, a lost one, or one that the server refuses: it starts, stops, or has another password."""
_PASSING = {1205, 1213, 1290, 1836, 1969}
"""Lock waits, read only for a while, a statement that took too long."""

T = TypeVar("T")


class Database:
    def __init__(self, settings: Settings) -> None:
        self.breaker = Breaker()
        self._threads = Threads("database", CONNECTIONS, QUEUE_SECONDS)
        self._engine = make_engine(settings)

    async def run(self, function: Callable[[Connection], T]) -> T:
        """What `function` makes of a connection, on which each statement counts by itself.

        Raises Unavailable, and what it raises.
        """
        if not self.breaker.lets_through():
            raise Unavailable("The database can't be reached.")
        return await self._threads.run(lambda: self._call(function))

    def _call(self, function: Callable[[Connection], T]) -> T:
        try:
            with self._engine.connect() as connection:
                found = function(connection)
        except (DBAPIError, PoolTimeout, OSError, WrongSetting) as error:
            if _gone(error):
                self.breaker.failed()
                raise Unavailable(f"The database can't be reached: {error}") from error
            self.breaker.succeeded()
            if _code(error) in _PASSING:
                raise Unavailable(f"The database gave the request up: {error}") from error
            raise
        except BaseException:
            self.breaker.succeeded()
            raise
        self.breaker.succeeded()
        return found

    def close(self) -> None:
        self._threads.close()
        self._engine.dispose()


def make_engine(settings: Settings, **more: Any) -> Engine:
    """An engine whose every connection reads the password's file, so that a new password is taken up."""
    url = URL.create("mysql+pymysql", settings.user, None, settings.host, settings.port, settings.name)
    options = connecting.options(settings) | {
        "init_command": f"SET time_zone = '+00:00', max_statement_time = {STATEMENT_SECONDS}",
        **more,
    }
    engine = create_engine(
        url,
        pool_size=CONNECTIONS,
        max_overflow=0,
        pool_timeout=QUEUE_SECONDS,
        pool_recycle=600,
        pool_pre_ping=True,
        # One statement is one transaction: no COMMIT and no ROLLBACK, each of which would be one more way.
        isolation_level="AUTOCOMMIT",
        skip_autocommit_rollback=True,
        pool_reset_on_return=None,
        connect_args=options,
    )

    def password(_dialect: Any, _record: Any, _arguments: Any, parameters: dict[str, Any]) -> None:
        parameters["password"] = settings.password()

    event.listen(engine, "do_connect", password)
    return engine


def _gone(error: BaseException) -> bool:
    """Whether the connection is lost or none could be made."""
    if isinstance(error, PoolTimeout | OSError | WrongSetting):
        return True
    if isinstance(error, DBAPIError) and error.connection_invalidated:
        return True
    return _code(error) in _GONE


def _code(error: BaseException) -> int:
    origin = error.orig if isinstance(error, DBAPIError) else error
    first = origin.args[0] if origin is not None and origin.args else None
    return first if isinstance(first, int) else 0
