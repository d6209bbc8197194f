"""The worker, in the thread and the transaction of a test."""

import json

import procrastinate.utils
from asgiref.sync import async_to_sync, sync_to_async
from django.db import connection
from procrastinate.contrib.django import app, procrastinate_app
from procrastinate.contrib.django.django_connector import DjangoConnector
from procrastinate.contrib.django.models import ProcrastinateJob
from procrastinate.periodic import PeriodicRegistry


class Connector(DjangoConnector):
    """Reads jobs over Django's connection, which leaves JSON as it is."""

    def _dictfetch(self, cursor):
        for row in super()._dictfetch(cursor):
            if isinstance(row.get("args"), str):
                row["args"] = json.loads(row["args"])
            yield row


async def in_this_thread(function, *args, **kwargs):
    """A worker runs jobs in other threads, with connections of their own."""
    return await sync_to_async(function)(*args, **kwargs)


# In a test's transaction it is always now() as it began.
MAKE_DUE = """
UPDATE procrastinate_jobs SET scheduled_at = NULL
WHERE status = 'todo' AND scheduled_at <= clock_timestamp() + %s
"""


def delete_jobs():
    """Those that a test left which committed: no model of ours owns their table."""
    with connection.cursor() as cursor:
        cursor.execute("DELETE FROM procrastinate_jobs")


def run_due(monkeypatch, within):
    """Run all jobs that are due within this time. Returns the exceptions of those that
    will be retried, and raises the one after which a job will not."""
    raised = []

    def keep(call_next, context, worker):
        try:
            return call_next()
        except Exception as exc:
            raised.append(exc)
            raise

    with connection.cursor() as cursor:
        cursor.execute(MAKE_DUE, [within])
    options = {"listen_notify": False, "install_signal_handlers": False}
    options |= {"delete_jobs": "successful", "task_middleware": [keep]}
    with monkeypatch.context() as patch, app.replace_connector(Connector()):
        patch.setattr(procrastinate.utils, "sync_to_async", in_this_thread)
        # Periodic jobs would come by the minute of the test.
        registry = PeriodicRegistry()
        patch.setattr(procrastinate_app.current_app, "periodic_registry", registry)
        async_to_sync(app.run_worker_async)(wait=False, **options)
    if raised and ProcrastinateJob.objects.filter(status="failed").exists():
        raise raised[-1]
    return raised
