"""The state of the queue: what `ready` and `doctor` say of it."""

import asyncio
import json
import os
import socket
import subprocess
import sys
from contextlib import nullcontext

import pytest
from django.conf import settings
from django.db import connection
from django.test import Client
from procrastinate import PsycopgConnector
from procrastinate.exceptions import ConnectorException
from procrastinate.sql import queries
from psycopg.conninfo import make_conninfo
from psycopg.pq import PGconn

from users import jobs, tasks
from users.diagnostics import late_job, silent_worker
from users.mail import outbox
from users.mail.models import Kind, Mail

FETCH, FINISH = queries["fetch_job"], queries["finish_job"]


def test_a_probe_is_no_process_of_the_service(tmp_path):
    """Its gauges would stay, and its connection would be an answer's."""
    env = {**os.environ, "PROMETHEUS_MULTIPROC_DIR": str(tmp_path)}
    probe, here = [sys.executable, "-m", "users.jobs"], settings.BASE_DIR
    done = subprocess.run(probe, env=env, cwd=here, capture_output=True)
    assert done.stderr == b""
    assert not [*tmp_path.iterdir()]


@pytest.fixture
def sql():
    """Calls run a statement."""

    def execute(statement, *values):
        with connection.cursor() as cursor:
            cursor.execute(statement, values)

    return execute


@pytest.fixture
def worker(sql):
    """Calls say how many seconds ago it has reported."""
    insert = "INSERT INTO procrastinate_workers (last_heartbeat) VALUES "
    ago = "(clock_timestamp() - make_interval(secs => %s))"
    return lambda age: sql(insert + ago, age)


@pytest.fixture
def job(sql):
    """Calls defer one so many seconds ago."""
    back = "UPDATE procrastinate_events SET at = at - make_interval(secs => %s)"

    def defer(age, task=tasks.send_mail, **options):
        number = task.configure(**options).defer()
        sql(f"{back} WHERE job_id = %s", age, number)
        return number

    return defer


@pytest.fixture
def fetch(worker):
    """Calls give task and arguments of the job that a worker does next."""
    worker(0)

    def next_job():
        with connection.cursor() as cursor:
            cursor.execute("SELECT max(id) FROM procrastinate_workers")
            [[worker_id]] = cursor.fetchall()
            cursor.execute(FETCH, {"queues": None, "worker_id": worker_id})
            _, _, name, _, _, _, arguments, *_ = cursor.fetchone()
        return name, json.loads(arguments)

    return next_job


def degraded():
    answer = Client().get("/api/v1/users/health/ready")
    assert answer.status_code == 200
    return answer.json()["degraded"]


@pytest.mark.parametrize(
    ("ages", "fault"),
    [
        ((), "none has ever reported, or the last has ended"),
        ((31,), "silent for 0:00:31"),
        ((29,), ""),
        ((3600, 3), ""),
    ],
)
def test_a_worker_has_to_report(worker, ages, fault):
    for age in ages:
        worker(age)
    assert silent_worker().partition(".")[0] == fault
    assert degraded() == bool(fault)


@pytest.mark.parametrize(
    ("age", "options", "fault"),
    [
        (299, {}, ""),
        (301, {}, "the next has waited for 0:05:01"),
        # Not due yet, or only now.
        (3600, {"schedule_in": {"minutes": 1}}, ""),
        (3600, {"schedule_in": {"minutes": -4}}, ""),
        (0, {"schedule_in": {"minutes": -6}}, "the next has waited for 0:06:00"),
    ],
)
def test_a_job_that_is_due_is_done_within_five_minutes(
    worker, job, age, options, fault
):
    worker(0)
    job(age, **options)
    assert late_job().partition(".")[0] == fault
    assert degraded() == bool(fault)


def test_other_jobs_come_before_mails(ada, fetch):
    """And a mail to one user before a notice to many."""
    outbox.notify_all(Kind.DEACTIVATED, [ada.pk])
    outbox.notify(Kind.RESTORED, ada)
    tasks.retry_stalled_jobs.defer(timestamp=0)
    many, one = Mail.objects.order_by("pk").values_list("pk", flat=True)
    assert fetch() == ("retry_stalled_jobs", {"timestamp": 0})
    assert fetch() == ("send_mail", {"mail_id": one})
    assert fetch() == ("send_mail", {"mail_id": many})


def test_a_job_that_waits_is_seen_behind_a_mail(worker, ada, job):
    worker(0)
    outbox.notify(Kind.RESTORED, ada)
    job(301, tasks.purge)
    assert late_job().startswith("the next has waited for 0:05:01")


def test_the_state_of_a_long_queue_is_one_look_at_an_index(
    worker, sql, django_assert_num_queries
):
    """It reads the jobs that are scheduled for later, and the first that is due."""
    worker(0)
    sql(
        "INSERT INTO procrastinate_jobs (queue_name, task_name, scheduled_at) "
        "SELECT 'default', 'x', CASE WHEN n < 100 THEN now() + interval '1 h' END "
        "FROM generate_series(1, 5000) n"
    )
    sql("ANALYZE procrastinate_jobs")
    with django_assert_num_queries(1):
        assert not jobs.queue_state().is_late
    with connection.cursor() as cursor:
        cursor.execute(f"EXPLAIN (ANALYZE, TIMING OFF) {jobs.STATE}")
        plan = "\n".join(row[0] for row in cursor.fetchall())
    assert "Index Scan using procrastinate_jobs_priority_idx_v1" in plan
    assert "Rows Removed by Filter: 99" in plan


@pytest.mark.parametrize(
    ("faults", "query", "most"),
    [(0, FINISH, 3), (2, FINISH, 3), (3, FINISH, 3), (1, "SELECT 1", 1)],
)
def test_the_end_of_a_job_is_stored_though_postgresql_was_slow(
    monkeypatch, faults, query, most
):
    """Else the worker, which lives on, would never do its next try. A worker that ends
    with its database does not wait for others."""
    tries = []

    async def execute(self, query, **arguments):
        tries.append((query, arguments))
        if len(tries) <= faults:
            raise ConnectorException

    monkeypatch.setattr(jobs, "PAUSES", (0, 0))
    monkeypatch.setattr(PsycopgConnector, "execute_query_async", execute)
    statement = jobs.WorkerConnector().execute_query_async(query, job_id=1)
    with nullcontext() if faults < most else pytest.raises(ConnectorException):
        asyncio.run(statement)
    assert tries == [(query, {"job_id": 1})] * min(faults + 1, most)


def test_the_kernel_ends_a_connection_whose_server_is_gone():
    """The worker's connections wait for an answer without a limit."""
    connector = jobs.Connector().get_worker_connector()

    async def conninfo():
        await connector.open_async()
        async with connector.pool.connection() as connected:
            found = connected.info.dsn
        await connector.close_async()
        return found

    over_unix_socket = asyncio.run(conninfo())
    with socket.create_server(("127.0.0.1", 0)) as server:
        place = {"host": "127.0.0.1", "port": server.getsockname()[1]}
        over_tcp = make_conninfo(over_unix_socket, **place)
        waiting = PGconn.connect_start(over_tcp.encode())
        with socket.socket(fileno=os.dup(waiting.socket)) as client:
            names = ("KEEPIDLE", "KEEPINTVL", "KEEPCNT", "USER_TIMEOUT")
            options = [getattr(socket, f"TCP_{name}") for name in names]
            found = [client.getsockopt(socket.IPPROTO_TCP, each) for each in options]
        waiting.finish()
    assert found == [10, 5, 2, 10_000]


def test_the_admin_has_no_page_of_jobs(admin):
    assert b"rocrastinate" not in admin.get("/admin/").content
    assert admin.get("/admin/procrastinate/procrastinatejob/").status_code == 404
