"""PostgreSQL connections with time limits: a server that hangs is a 503."""

from typing import Any

from psycopg import Connection, OperationalError, errors
from psycopg.abc import RV, PQGen

CONNECT_TIMEOUT = 3  # seconds, libpq's
POOL_TIMEOUT = 3.0  # seconds to wait for a connection of the pool
ANSWER_TIMEOUT = 3.0  # seconds to wait for an answer; ours take milliseconds


class BoundedConnection(Connection[Any]):
    """A connection that waits ANSWER_TIMEOUT for an answer, then is broken.

    `statement_timeout` (roles.sql) is the server's, so a server that is stopped, or a
    network that swallows packets, would keep a thread for ever.
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


def options(threads: int, *, is_pooled: bool) -> dict[str, Any]:
    """Django's OPTIONS for the application role: its pool, and what it may prepare.

    The pool has a connection for every thread of a worker and one to spare (the
    sweep's), so no request waits for another's. Statements are prepared in each
    connection: planning takes PostgreSQL longer than running them. Not where a pooler
    gives each transaction another connection (`is_pooled`): there they fail.
    """
    return {
        "connect_timeout": CONNECT_TIMEOUT,
        "prepare_threshold": None if is_pooled else 5,
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
