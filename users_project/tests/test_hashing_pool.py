"""PWD-07: two hash, others wait, and the one beyond half of the threads is refused."""

import os
import threading
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack

import pytest

from shared.api.exceptions import Overloaded
from tests.factories import PASSWORD, UserFactory
from tests.refusals import assert_refused
from users import hashers, hashing_pool
from users.models import User


@pytest.fixture
def full():
    """A process whose places for hashing are all taken."""
    with ExitStack() as stack:
        for _ in range(4):  # half of eight threads
            assert hashing_pool.pool().slots.acquire(blocking=False)
            stack.callback(hashing_pool.pool().slots.release)
        yield


def test_two_work_two_wait_and_the_fifth_is_refused_at_once():
    pool, go, working = (
        hashing_pool.PasswordHashingPool(4),
        threading.Event(),
        threading.Semaphore(0),
    )
    inside: list[int] = []
    most: list[int] = []

    def work():
        inside.append(1)
        most.append(len(inside))
        working.release()
        go.wait(5)
        inside.pop()

    def hash_one():
        with pool.slot() as run:
            run(work)

    threads = [threading.Thread(target=hash_one) for _ in range(4)]
    for thread in threads:
        thread.start()
    try:
        assert working.acquire(timeout=5)
        assert working.acquire(timeout=5)
        wait_until(lambda: pool.slots._value == 0)
        assert not working.acquire(timeout=0.2)  # a third has a place, and waits
        started = time.monotonic()
        with pytest.raises(Overloaded), pool.slot():
            pass
        assert time.monotonic() - started < 0.1
    finally:
        go.set()
        for thread in threads:
            thread.join()
    assert (max(most), len(most)) == (2, 4)


def wait_until(condition):
    deadline = time.monotonic() + 5
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_a_slot_is_given_back_after_a_fault():
    pool = hashing_pool.PasswordHashingPool(1)
    for _ in range(3):
        with pytest.raises(ZeroDivisionError), pool.slot() as run:
            run(lambda: 1 // 0)


def test_threads_that_hash_give_way_to_those_that_answer():
    """Each thread has a priority of its own; nobody else's is lowered."""
    pool = hashing_pool.PasswordHashingPool(4)
    here = os.getpriority(os.PRIO_PROCESS, threading.get_native_id())
    with pool.slot() as run:
        there = run(lambda: os.getpriority(os.PRIO_PROCESS, threading.get_native_id()))

    assert there == max(here, hashing_pool.NICENESS)
    assert os.getpriority(os.PRIO_PROCESS, threading.get_native_id()) == here


def test_however_many_ask_two_threads_hash():
    """What the C library keeps of a hash's memory, it keeps for each thread."""
    pool, names = hashing_pool.PasswordHashingPool(40), set()

    def hash_one():
        with pool.slot() as run:
            names.add(run(threading.get_native_id))

    with ThreadPoolExecutor(40) as threads:
        [*threads.map(lambda _: hash_one(), range(40))]
    assert len(names) <= hashing_pool.AT_ONCE


@pytest.mark.parametrize(("threads", "slots"), [(1, 1), (2, 1), (8, 4), (9, 4)])
def test_half_of_the_threads_may_hash(settings, threads, slots):
    settings.WEB_THREADS = threads
    assert hashing_pool.pool().slots._value == slots


@pytest.mark.django_db
def test_a_full_process_refuses_what_hashes_and_nothing_else(
    full, service_client, bearer, api_client, monkeypatch
):
    monkeypatch.setattr(
        hashers.Argon2Hasher, "verify", lambda *args: pytest.fail("hashed")
    )
    user = User.objects.create(
        username="ada", email="ada@example.org", password="argon2$x"
    )
    known = {"email": user.email, "password": PASSWORD}
    unknown = {"email": "nobody@example.org", "password": PASSWORD}
    new = {"username": "new", "email": "new@example.org", "password": PASSWORD}
    auth = service_client("auth")
    for response in (
        auth.post("/api/v1/users/verify", known),
        auth.post("/api/v1/users/verify", unknown),
        api_client.post("/api/v1/users", new),
    ):
        assert_refused(response, 503, "overloaded")
    assert User.objects.count() == 1
    assert bearer(sub=str(user.pk)).get("/api/v1/users/me").status_code == 200


def test_a_storm_of_log_ins_hashes_two_at_a_time(service_client, monkeypatch, at_once):
    body = {"email": UserFactory().email, "password": PASSWORD}
    now, most = Counter[str](), [0]
    verify = hashers.Argon2Hasher.verify

    def counted(*args):
        now["hashing"] += 1
        most[0] = max(most[0], now["hashing"])
        time.sleep(0.05)  # so that all are there
        try:
            return verify(*args)
        finally:
            now["hashing"] -= 1

    monkeypatch.setattr(hashers.Argon2Hasher, "verify", counted)

    def log_in():
        answer = service_client("auth").post("/api/v1/users/verify", body)
        return int(answer.status_code)

    answers = Counter(at_once(*[log_in] * 16))
    assert answers.keys() == {200, 503}
    assert answers[200] >= 4
    assert most == [2]
