"""Procrastinate's queue of jobs: its connections, and whether the worker keeps up.

python -m users.jobs    exit status 0 when a worker has reported, for containers
"""

import asyncio
import os
import sys
from datetime import timedelta
from typing import Any, LiteralString, NamedTuple

from django.db import connection
from procrastinate import App, PsycopgConnector
from procrastinate.connector import BaseConnector
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.utils import connector_params
from procrastinate.exceptions import ConnectorException
from procrastinate.sql import queries

# A worker reports every ten seconds. A worker that is silent for longer than this is
# dead, and `users.tasks` retries its jobs.
WORKER_TIMEOUT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=5)
ENDS = (queries["finish_job"], queries["retry_job"])
PAUSES = (1, 5)  # seconds before the second and the third try of these
# The worker's own connections wait for an answer without a limit. So the kernel ends
# them 20 s after the machine or the network of PostgreSQL is gone; `DATABASE_URL` may
# say otherwise. Unix sockets ignore these.
KEEPALIVE = {
    "keepalives_idle": 10,
    "keepalives_interval": 5,
    "keepalives_count": 2,
    "tcp_user_timeout": 10_000,  # milliseconds
}

# The time since the last heartbeat, and since the next job in the queue was due.
STATE = """
SELECT
    (SELECT clock_timestamp() - max(last_heartbeat) FROM procrastinate_workers),
    (SELECT clock_timestamp() - coalesce(
         scheduled_at, (SELECT min(at) FROM procrastinate_events WHERE job_id = job.id)
     )
     FROM procrastinate_jobs AS job
     WHERE status = 'todo'
       AND (scheduled_at IS NULL OR scheduled_at <= clock_timestamp())
     ORDER BY priority DESC, id
     LIMIT 1)
"""


class Connector(DjangoConnector):
    """Defers jobs on Django's connection, and so in the transaction of the caller."""

    def get_worker_connector(self) -> "WorkerConnector":
        params = KEEPALIVE | connector_params(self.alias)
        return WorkerConnector(kwargs=params, min_size=1, max_size=4)


class WorkerConnector(PsycopgConnector):
    """The worker's own connections, on which it fetches and finishes jobs. A job defers
    others in its own transaction, as a request does: the library would commit them at
    once, and another worker would not find the rows yet."""

    def get_sync_connector(self) -> BaseConnector:
        return DjangoConnector()

    async def execute_query_async(self, query: LiteralString, **arguments: Any) -> None:
        """Try to store the end of a job again if PostgreSQL was slow or unavailable.
        Procrastinate gives up, and no worker fetches the job while its own lives."""
        for pause in PAUSES if query in ENDS else ():
            try:
                return await super().execute_query_async(query, **arguments)
            except ConnectorException:
                await asyncio.sleep(pause)
        return await super().execute_query_async(query, **arguments)


def configure(app: App) -> None:
    """Have Procrastinate use our connectors (PROCRASTINATE_ON_APP_READY)."""
    app.connector = app.job_manager.connector = Connector()


class QueueState(NamedTuple):
    """How long ago a worker last reported, and how long the next job has been due."""

    heartbeat: timedelta | None
    waiting: timedelta | None

    @property
    def is_attended(self) -> bool:
        return self.heartbeat is not None and self.heartbeat < WORKER_TIMEOUT

    @property
    def is_late(self) -> bool:
        return self.waiting is not None and self.waiting > LONGEST_WAIT


def queue_state() -> QueueState:
    """The state, by one statement for a queue of any length."""
    with connection.cursor() as cursor:
        cursor.execute(STATE)
        return QueueState(*cursor.fetchone())


def queue_works() -> bool:
    """Whether a worker keeps up with the queue, for the readiness check."""
    state = queue_state()
    return state.is_attended and not state.is_late


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    # This probe is no process of the service: its connection is not to be counted.
    os.environ.pop("PROMETHEUS_MULTIPROC_DIR", None)
    sys.exit(not queue_state().is_attended)
