"""Procrastinate's queue of jobs: its connections, and whether the worker keeps up.

python -m users.jobs    exit status 0 when a worker has reported, for containers
"""

import os
import sys
from datetime import timedelta
from typing import NamedTuple

from django.db import connection
from procrastinate import App, PsycopgConnector
from procrastinate.connector import BaseConnector
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.utils import connector_params

# A worker reports every ten seconds. One that was silent for longer has died, and its
# jobs are done again (`users.tasks`).
WORKER_TIMEOUT = timedelta(seconds=30)
LONGEST_WAIT = timedelta(minutes=5)

# The second is of the job that a worker would take next.
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
    """Jobs are deferred by Django's connection, so in the transaction of the caller."""

    def get_worker_connector(self) -> "WorkerConnector":
        params = connector_params(self.alias)
        return WorkerConnector(kwargs=params, min_size=1, max_size=4)


class WorkerConnector(PsycopgConnector):
    """Connections of the worker's own, by which it takes and settles jobs. What a job
    defers is part of the job's transaction, as in a request: the library would commit
    it at once, and another worker find no row yet."""

    def get_sync_connector(self) -> BaseConnector:
        return DjangoConnector()


def configure(app: App) -> None:
    """Have Procrastinate use our connectors (PROCRASTINATE_ON_APP_READY)."""
    app.connector = app.job_manager.connector = Connector()


class QueueState(NamedTuple):
    """How long ago a worker has reported, and how long the next job is due."""

    heartbeat: timedelta | None
    waiting: timedelta | None

    @property
    def is_attended(self) -> bool:
        return self.heartbeat is not None and self.heartbeat < WORKER_TIMEOUT

    @property
    def is_late(self) -> bool:
        return self.waiting is not None and self.waiting > LONGEST_WAIT


def queue_state() -> QueueState:
    """One statement, whatever the length of the queue."""
    with connection.cursor() as cursor:
        cursor.execute(STATE)
        return QueueState(*cursor.fetchone())


def queue_works() -> bool:
    """For `ready`."""
    state = queue_state()
    return state.is_attended and not state.is_late


if __name__ == "__main__":
    os.environ["DJANGO_SETTINGS_MODULE"] = "config.settings"
    sys.exit(not queue_state().is_attended)
