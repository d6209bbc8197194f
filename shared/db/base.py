"""Django's backend for PostgreSQL, with a cheaper look at connections of the pool."""

import select
import time
from typing import Any

from django.db.backends.postgresql import base
from psycopg import Connection, OperationalError
from psycopg_pool import ConnectionPool

from shared import metrics


class DatabaseWrapper(base.DatabaseWrapper):
    """Every request takes a connection out of the pool and puts it back.

    CONN_HEALTH_CHECKS would ask the server each time whether it is still there, which
    doubles the round trips of most requests. A server that has closed says so: what
    it sent last, the end of the connection, waits to be read. After a broken
    cable or machine nothing arrives, nor would an answer to a question. Then
    `BoundedConnection` gives up.
    """

    def get_new_connection(self, conn_params: dict[str, Any]) -> Connection[Any]:
        pool, began = self.pool, time.perf_counter()
        try:
            connection: Connection[Any] = super().get_new_connection(conn_params)
            while pool and is_over(connection):
                connection.close()
                pool.putconn(connection)  # which makes another in its place
                connection = super().get_new_connection(conn_params)
            return connection
        finally:
            if pool:
                note_pool(pool, time.perf_counter() - began)


def note_pool(pool: ConnectionPool, seconds: float) -> None:
    """The state of the pool after a thread has waited so long."""
    stats = pool.get_stats()
    metrics.db_pool_size.set(stats["pool_size"])
    metrics.db_pool_waiting.set(stats["requests_waiting"])
    metrics.db_wait_seconds.observe(seconds)


def is_over(connection: Connection[Any]) -> bool:
    """Whether the server has ended an idle connection. No round trip."""
    try:
        poll = select.poll()
        poll.register(connection.fileno(), select.POLLIN)
        # Nothing else comes unasked but notices, after which a new one does no harm.
        return bool(poll.poll(0))
    except (OperationalError, OSError, ValueError):
        return True
