"""PWD-07: two hash, others wait, and the one beyond half of the threads is refused."""

import os
import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from deploy.tests.waiting import wait_until
from shared.api.exceptions import Overloaded
from tests.factories import NEW, PASSWORD, UserFactory
from tests.refusals import assert_refused
from users.models import User
from users.passwords import hashing_pool


def test_two_work_two_wait_and_the_fifth_is_refused_at_once():
    pool, go = hashing_pool.PasswordHashingPool(4), threading.Event()
    working = threading.Semaphore(0)

    def work():
        working.release()
        go.wait(5)

    with ThreadPoolExecutor(4) as threads:
        for _ in range(4):
            threads.submit(pool.run, work)
        assert working.acquire(timeout=5)
        assert working.acquire(timeout=5)
        wait_until(lambda: not pool.slots._value, 5, "four that have a place")
        assert not working.acquire(timeout=0.2)  # a third waits
        started = time.monotonic()
        with pytest.raises(Overloaded):
            pool.run(work)
        assert time.monotonic() - started < 0.1
        go.set()


def test_a_slot_is_given_back_after_a_fault():
    pool = hashing_pool.PasswordHashingPool(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError):
            pool.run(lambda: 1 // 0)


def test_a_worker_that_is_ending_still_answers():
    """Python stops the threads of pools before the request in flight has ended."""
    pool = hashing_pool.PasswordHashingPool(1)
    pool.threads.shutdown()
    assert pool.run(len, "ada") == 3


def test_threads_that_hash_give_way_to_those_that_answer():
    """Each thread has a priority of its own; that of no other is lowered."""

    def priority():
        return os.getpriority(os.PRIO_PROCESS, threading.get_native_id())

    here = priority()
    there = hashing_pool.PasswordHashingPool(4).run(priority)
    assert there == max(here, hashing_pool.NICENESS)
    assert priority() == here


@pytest.mark.parametrize(("threads", "slots"), [(1, 1), (2, 1), (8, 4), (9, 4)])
def test_half_of_the_threads_may_hash(settings, threads, slots):
    settings.WEB_THREADS = threads
    assert hashing_pool.pool().slots._value == slots


def test_a_full_process_refuses_what_hashes_and_nothing_else(
    auth, bearer, api_client, hashes, full_pool
):
    user = UserFactory(email="ada@example.org")
    new = {"username": "new", "email": "new@example.org", "password": PASSWORD}
    for email in (user.email, "unknown@example.org"):
        answer = auth.post("/api/v1/users/verify", new | {"email": email})
        assert_refused(answer, 503, "overloaded")
    assert_refused(api_client.post("/api/v1/users", new), 503, "overloaded")
    client = bearer(sub=str(user.pk))
    change = {"current_password": PASSWORD, "new_password": NEW}
    answer = client.post("/api/v1/users/me/change_password", change)
    assert_refused(answer, 503, "overloaded")
    assert (User.objects.get().password, hashes) == (user.password, [])
    assert client.get("/api/v1/users/me").status_code == 200
