"""The worker, in the thread and the transaction of a test."""

import json

import procrastinate.utils
from asgiref.sync import async_to_sync, sync_to_async
from procrastinate.contrib.django import app
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
    return await sync_to_async(function)(*args, **kwargs)


def run_due(monkeypatch):
    """Run all jobs that are due. Returns the exceptions of those that will be retried,
    and raises the one after which a job will not."""
    raised = []

    def keep(call_next, context, worker):
        try:
            return call_next()
        except Exception as exc:
            raised.append(exc)
            raise

    options = {"listen_notify": False, "install_signal_handlers": False}
    options |= {"delete_jobs": "successful", "task_middleware": [keep]}
    with monkeypatch.context() as patch, app.replace_connector(Connector()):
        # A worker runs jobs in threads, with connections of their own.
        patch.setattr(procrastinate.utils, "sync_to_async", in_this_thread)
        # Periodic jobs would come by the minute of the test.
        patch.setattr(app, "periodic_registry", PeriodicRegistry())
        async_to_sync(app.run_worker_async)(wait=False, **options)
    if raised and ProcrastinateJob.objects.filter(status="failed").exists():
        raise raised[-1]
    return raised
