"""PostgreSQL connections with time limits: if the server hangs, we answer 503."""

from typing import Any

from psycopg import Connection, OperationalError, errors
from psycopg.abc import RV, PQGen

CONNECT_TIMEOUT = 3  # seconds, libpq's
POOL_TIMEOUT = 3.0  # seconds to wait for a connection of the pool
STRICT_FOR = 5.0  # seconds after a wait in vain in which one thread at most waits
ANSWER_TIMEOUT = 3.0  # seconds to wait for an answer; ours take milliseconds
# To psycopg these are no OperationalError.
UNUSABLE = (
    errors.ReadOnlySqlTransaction,
    errors.IdleInTransactionSessionTimeout,
    errors.TransactionTimeout,  # PostgreSQL 17
)


class BoundedConnection(Connection[Any]):
    """A connection that waits ANSWER_TIMEOUT for an answer, and then closes.

    The server applies `statement_timeout` (roles.sql). It does not help if the server
    is stopped or the network drops packets: a thread would wait for ever.

    It also closes if the server takes no writes (a primary that became a standby) or
    has ended an idle transaction: the pool must not lend it again.
    """

    def wait(
        self, gen: PQGen[RV], interval: float = 0.1, timeout: float | None = None
    ) -> RV:
        """As psycopg's; raises OperationalError when the time is over."""
        try:
            return super().wait(gen, interval, timeout or ANSWER_TIMEOUT)
        except errors._WaitTimeout as exc:
            # A late answer would be taken for that of the next statement.
            self.pgconn.finish()
            raise OperationalError("the database did not answer in time") from exc
        except UNUSABLE as exc:
            self.pgconn.finish()
            raise OperationalError("the connection is of no more use") from exc


def is_unanswered(exc: BaseException) -> bool:
    """Whether a statement of this error may be committed, now or later: PostgreSQL did
    not answer (no SQLSTATE) or has ended (57P), or PgBouncer has lost it (class 08; not
    while it waits before the next login, as it passes no statement on then)."""
    cause = exc.__cause__
    wrapped = cause.__cause__ if cause else None  # by `BoundedConnection`
    states = (getattr(each, "sqlstate", None) for each in (wrapped, cause))
    state = next(filter(None, states), "")
    is_lost = state.startswith("08") and "server_login_retry" not in str(exc)
    return not state or state.startswith("57P") or is_lost


def options(threads: int, *, is_pooled: bool) -> dict[str, Any]:
    """Django's OPTIONS for the application role: its pool and its prepared statements.

    The pool has a connection for every thread of a worker and one to spare (the
    sweep's), so no request waits for another's. Each connection prepares its
    statements, since planning takes longer than running them. Prepared statements fail
    with a pooler that gives each transaction another connection (`is_pooled`).
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
            # No `max_waiting`: never more requests wait than there are threads. Its
            # count keeps requests that gave up while the server was down: the pool
            # would then refuse all others, and never ask for a new connection.
        },
    }
