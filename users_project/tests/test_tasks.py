"""What the worker does: jobs, and when they are done again."""

import pytest
from django.db import connection, transaction
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob

from users import tasks


@pytest.fixture
def task():
    """Registers functions as tasks of one test."""
    names = []

    def register(function, **options):
        names.append(f"test.{len(names)}")
        return app.task(name=names[-1], **options)(function)

    yield register
    for name in names:
        del app.tasks[name]


@pytest.mark.django_db(transaction=True)
def test_a_job_is_part_of_the_transaction_that_causes_it(task):
    """In the worker too, with connections and threads as they are there."""
    done = []
    note = task(lambda number: done.append((number, connection.in_atomic_block)))

    def cause():
        with transaction.atomic():
            note.defer(number=1)
            transaction.set_rollback(True)
        note.defer(number=2)

    task(cause).defer()
    with app.replace_connector(app.connector.get_worker_connector()):
        # One thread: others would end before the first job has deferred another.
        options = {"listen_notify": False, "install_signal_handlers": False}
        app.run_worker(wait=False, concurrency=1, **options)
    assert done == [(2, False)]


# ---- By the clock --------------------------------------------------------------------


def stall(job_id, worker_id):
    """Leave a job as a worker that was killed does."""
    stalled = "UPDATE procrastinate_jobs SET status = 'doing', worker_id = %s"
    with connection.cursor() as cursor:
        cursor.execute(f"{stalled} WHERE id = %s", [worker_id, job_id])


def test_jobs_of_a_dead_worker_are_done_again_and_others_are_not(task, run_jobs):
    done = []
    note = task(lambda number: done.append(number))
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO procrastinate_workers (last_heartbeat) VALUES "
            "(now() - interval '31 s'), (now() - interval '29 s') RETURNING id"
        )
        workers = [row[0] for row in cursor.fetchall()]
    for number, worker in enumerate([*workers, None]):
        stall(note.defer(number=number), worker)
    tasks.retry_stalled_jobs.defer(timestamp=0)
    run_jobs()
    run_jobs()
    assert done == [0, 2]
    assert [job.status for job in ProcrastinateJob.objects.all()] == ["doing"]


def test_failed_jobs_are_kept_for_a_month(task, run_jobs):
    def fail():
        raise ZeroDivisionError

    failing = task(fail)
    for _ in range(2):
        job = failing.defer()
        with pytest.raises(ZeroDivisionError):
            run_jobs()
    with connection.cursor() as cursor:
        cursor.execute(
            "UPDATE procrastinate_events SET at = at - interval '31 days' "
            "WHERE job_id <> %s",
            [job],
        )
    tasks.delete_old_jobs.defer(timestamp=0)
    run_jobs()
    assert [each.pk for each in ProcrastinateJob.objects.all()] == [job]
