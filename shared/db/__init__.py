"""PostgreSQL connections that give up: a server that stands still is a 503."""

from typing import Any

from psycopg import Connection, OperationalError, errors
from psycopg.abc import RV, PQGen

CONNECT_TIMEOUT = 3  # seconds, libpq's
POOL_TIMEOUT = 3.0  # seconds to wait for a connection of the pool
ANSWER_TIMEOUT = 3.0  # seconds to wait for an answer; ours take milliseconds

# The server's own limits, for statements whose client has gone.
SERVER_LIMITS = {
    "statement_timeout": "5s",
    "lock_timeout": "2s",
    "idle_in_transaction_session_timeout": "15s",
}


class BoundedConnection(Connection[Any]):
    """A connection that waits ANSWER_TIMEOUT for an answer, then is broken.

    `statement_timeout` is the server's, so a server that is stopped, or a network that
    swallows packets, would keep a thread for ever.
    """

    def wait(
        self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None
    ) -> RV:
        """As psycopg's; raises OperationalError when the time is over."""
        try:
            return super().wait(gen, interval, timeout or ANSWER_TIMEOUT)
        except errors._WaitTimeout as exc:
            # An answer that came now would be taken for the next statement's.
            self.pgconn.finish()
            raise OperationalError("the database did not answer in time") from exc


def options(threads: int) -> dict[str, Any]:
    """Django's OPTIONS for the application role: pool and limits.

    The pool has a connection for every thread of a worker and one to spare (the
    sweep's), so no request waits for another's. Statements are prepared in each
    connection: planning takes PostgreSQL longer than running them. A pooler in between
    has to keep prepared statements (PgBouncer: `max_prepared_statements`).
    """
    return {
        "connect_timeout": CONNECT_TIMEOUT,
        "options": " ".join(f"-c {name}={v}" for name, v in SERVER_LIMITS.items()),
        "server_side_binding": True,
        "prepare_threshold": 5,
        "pool": {
            "connection_class": BoundedConnection,
            "min_size": 1,
            "max_size": threads + 1,
            "timeout": POOL_TIMEOUT,
            "max_lifetime": 1800,
            "reconnect_timeout": 5,
            # No `max_waiting`: never more requests wait than there are threads. Those
            # that gave up while the server was down stay in its count: the pool then
            # refuses all others, and never asks for a new connection.
        },
    }
