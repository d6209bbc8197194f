"""What the worker does: jobs, and when they are done again."""

import pytest
from django.db import connection, transaction
from procrastinate import RetryStrategy
from procrastinate.contrib.django import app
from procrastinate.contrib.django.models import ProcrastinateJob


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


def test_a_job_is_part_of_the_transaction_that_causes_it(task, run_jobs):
    done = []
    note = task(lambda number: done.append(number))
    with transaction.atomic():
        note.defer(number=1)
        transaction.set_rollback(True)
    note.defer(number=2)
    assert run_jobs() == []
    assert done == [2]
    assert not ProcrastinateJob.objects.exists()


def test_jobs_of_jobs_run_too_and_later_ones_wait(task, run_jobs):
    done = []

    def first():
        last.defer()
        last.configure(schedule_in={"hours": 1}).defer()

    last = task(lambda: done.append(connection.in_atomic_block))
    task(first).defer()
    run_jobs()
    assert done == [True]
    assert [each.status for each in ProcrastinateJob.objects.all()] == ["todo"]


def test_an_error_ends_the_test_unless_the_job_is_retried(task, run_jobs):
    def fail():
        raise ZeroDivisionError

    task(fail, retry=RetryStrategy(wait=60)).defer()
    assert [type(exc) for exc in run_jobs()] == [ZeroDivisionError]
    task(fail).defer()
    with pytest.raises(ZeroDivisionError):
        run_jobs()
