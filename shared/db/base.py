"""Django's backend for PostgreSQL, with a cheaper check of the pool's connections."""

import select
import threading
import time
from typing import Any, ClassVar

from django.db.backends.postgresql import base
from psycopg import Connection, OperationalError
from psycopg_pool import ConnectionPool, PoolTimeout

from shared import metrics
from shared.db import STRICT_FOR


class DatabaseWrapper(base.DatabaseWrapper):
    """Every request takes a connection out of the pool and puts it back.

    CONN_HEALTH_CHECKS would send a query each time, which doubles the round trips of
    most requests. If the server has closed the connection, its end waits to be read:
    seeing that takes no round trip. After a broken cable or machine nothing arrives,
    and a query would get no answer either. `BoundedConnection` then gives up.
    """

    probing = threading.Lock()  # held by the one thread that waits
    strict_until: ClassVar[dict[str, float]] = {}  # by alias

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection[Any]:
        """As Django's. While the server is unavailable one thread waits for it, and the
        others are there for requests that do not need it."""
        if time.monotonic() > self.strict_until.get(self.alias, 0):
            return self.wait_for_connection(conn_params)
        if not self.probing.acquire(blocking=False):
            raise OperationalError("the database is unavailable")
        try:
            # It must not run out while this thread waits.
            self.strict_until[self.alias] = time.monotonic() + STRICT_FOR
            return self.wait_for_connection(conn_params)
        finally:
            self.probing.release()

    def wait_for_connection(self, conn_params: dict[str, Any]) -> Connection[Any]:
        pool, began = self.pool, time.perf_counter()
        try:
            connection: Connection[Any] = super().get_new_connection(conn_params)
            while pool and is_over(connection):
                connection.close()
                pool.putconn(connection)  # the pool replaces a closed connection
                connection = super().get_new_connection(conn_params)
        except PoolTimeout:
            self.strict_until[self.alias] = time.monotonic() + STRICT_FOR
            raise
        finally:
            if pool:
                note_pool(pool, time.perf_counter() - began)
        self.strict_until.pop(self.alias, None)
        return connection


def note_pool(pool: ConnectionPool, seconds: float) -> None:
    """Record the state of the pool, and how long a thread waited for a connection."""
    stats = pool.get_stats()
    metrics.db_pool_size.set(stats["pool_size"])
    metrics.db_pool_waiting.set(stats["requests_waiting"])
    metrics.db_wait_seconds.observe(seconds)


def is_over(connection: Connection[Any]) -> bool:
    """Whether the server has ended an idle connection. No round trip."""
    try:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        # Only notices also come unasked: a new connection then does no harm.
        return bool(poll.poll(0))
    except (OperationalError, OSError, ValueError):
        return True
