"""PostgreSQL connections with time limits: a server that hangs is a 503."""

from typing import Any

from psycopg import Connection, OperationalError, errors
from psycopg.abc import RV, PQGen

CONNECT_TIMEOUT = 3  # seconds, libpq's
POOL_TIMEOUT = 3.0  # seconds to wait for a connection of the pool
ANSWER_TIMEOUT = 3.0  # seconds to wait for an answer; ours take milliseconds


class BoundedConnection(Connection[Any]):
    """A connection that waits ANSWER_TIMEOUT for an answer, then is broken.

    The server enforces `statement_timeout` (roles.sql), so a stopped server, or a
    network that drops packets, would keep a thread for ever.
    """

    def wait(
        self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None
    ) -> RV:
        """psycopg's own, but it raises OperationalError when the time is over."""
        try:
            return super().wait(gen, interval, timeout or ANSWER_TIMEOUT)
        except errors._WaitTimeout as exc:
            # A late answer would be taken for that of the next statement.
            self.pgconn.finish()
            raise OperationalError("the database did not answer in time") from exc


def options(threads: int, *, is_pooled: bool) -> dict[str, Any]:
    """Django's OPTIONS for the application role: its pool and prepared statements.

    The pool has a connection for every thread of a worker and one more for the sweep,
    so no request waits for another's. Each connection prepares statements: PostgreSQL
    takes longer to plan than to run them. Not if a pooler gives each transaction
    another connection (`is_pooled`): there they fail.
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
            # No `max_waiting`: the threads limit how many requests wait. It would also
            # count those that gave up while the server was down: the pool would then
            # refuse all others and never ask for a new connection.
        },
    }
