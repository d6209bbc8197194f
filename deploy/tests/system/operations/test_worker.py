"""The worker of the User Service: jobs are done, whatever is killed meanwhile."""

import os
import signal
import time

import pytest
import requests

from deploy.tests.stack import wait_until
from deploy.tests.worker_queue import Queue

WORKER = "users-worker"


@pytest.fixture
def queue(healthy):
    return Queue(healthy)


def degraded(system):
    answer = requests.get(f"{system.users_url}/api/v1/users/health/ready", timeout=5)
    assert answer.status_code == 200
    return answer.json()["degraded"]


def test_jobs_wait_for_a_worker_and_are_then_done_at_once(queue):
    """It listens: it would ask the database every five seconds alone."""
    queue.wait(queue.defer(), seconds=3)
    assert queue.has_purged()
    assert not degraded(queue.system)
    with queue.system.stopped(WORKER):
        job = queue.defer()
        assert degraded(queue.system)
        assert queue.status(job) == "todo"
    queue.wait(job)
    assert not degraded(queue.system)


def test_a_stop_waits_for_the_job_in_hand(queue):
    (pid,) = queue.system.pids(WORKER)
    with queue.held() as job:
        os.kill(pid, signal.SIGTERM)
        time.sleep(0.25)  # not 2 s, the limit of its wait for the lock
        assert queue.status(job) == "doing"
        assert queue.system.pids(WORKER) == [pid]
    # Long before another worker would take it for a dead one's.
    queue.wait(job, seconds=5)
    assert queue.has_purged()
    wait_until(lambda: queue.system.pids(WORKER) not in ([], [pid]), 20, "another")
    queue.system.start(WORKER)


def kill(queue):
    """The worker, with a job in hand: its id, and the worker's."""
    with queue.held() as job:
        worker = "SELECT worker_id FROM procrastinate_jobs WHERE id = %s"
        ((number,),) = queue.query(worker, job)
        os.kill(queue.system.pids(WORKER)[0], signal.SIGKILL)
    wait_until(lambda: queue.system.pids(WORKER), 20, "another worker")
    assert queue.status(job) == "doing"
    return job, number


def test_the_job_of_a_killed_worker_is_done_again(queue):
    job, worker = kill(queue)
    silent = "UPDATE procrastinate_workers SET last_heartbeat = now() - interval '31 s'"
    queue.query(f"{silent} WHERE id = %s", worker)
    queue.defer("retry_stalled_jobs")  # which comes every minute
    queue.wait(job, seconds=30)
    assert queue.has_purged()
    queue.system.start(WORKER)


@pytest.mark.verify
def test_the_job_of_a_killed_worker_is_done_again_within_two_minutes(queue):
    """With nothing done about it: 30 s until the worker counts as dead, and a minute
    until another looks."""
    job, _ = kill(queue)
    queue.wait(job, seconds=120)
    assert queue.has_purged()


@pytest.mark.parametrize("seconds", [0, pytest.param(45, marks=pytest.mark.verify)])
def test_the_worker_comes_back_with_its_database(queue, seconds):
    """After a restart of PostgreSQL, and after a long outage."""
    with queue.system.stopped("users-db"):
        time.sleep(seconds)
    queue.wait(queue.defer(), seconds=60)
    queue.system.start(WORKER)
