"""The breaker, by the clock; the bulkhead, by threads."""

import threading
import time

import pytest

from shared.api.exceptions import Overloaded
from shared.circuit_breaker import Breaker, Bulkhead


@pytest.fixture
def clock(monkeypatch):
    """A clock that a test moves."""
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    return now


def test_a_breaker_opens_at_the_threshold_and_not_before(clock):
    breaker = Breaker(threshold=3, pause=5)
    for _ in range(2):
        breaker.failed()
    assert not breaker.is_open()

    breaker.failed()

    assert breaker.is_open()


def test_only_failures_in_a_row_count(clock):
    breaker = Breaker(threshold=2)
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()

    assert not breaker.is_open()


def test_the_pause_ends_by_itself(clock):
    breaker = Breaker(threshold=1, pause=5)
    breaker.failed()

    clock[0] += 4.9
    assert breaker.is_open()
    clock[0] += 0.2
    assert not breaker.is_open()


def test_the_first_failure_after_the_pause_opens_it_anew(clock):
    breaker = Breaker(threshold=3, pause=5)
    for _ in range(3):
        breaker.failed()
    clock[0] += 6

    breaker.failed()

    assert breaker.is_open()


def test_a_success_closes_it_at_once(clock):
    breaker = Breaker(threshold=1, pause=5)
    breaker.failed()

    breaker.succeeded()

    assert not breaker.is_open()


def test_a_bulkhead_takes_as_many_as_it_has_slots():
    bulkhead = Bulkhead(2, patience=0.01)
    with (
        bulkhead.slot(),
        bulkhead.slot(),
        pytest.raises(Overloaded),
        bulkhead.slot(),
    ):
        pytest.fail("a third came in")

    with bulkhead.slot():
        pass


def test_a_slot_is_given_back_when_its_holder_fails():
    bulkhead = Bulkhead(1, patience=0.01)
    for _ in range(3):
        with pytest.raises(RuntimeError), bulkhead.slot():
            raise RuntimeError

    with bulkhead.slot():
        pass


def test_a_short_wait_is_waited():
    bulkhead = Bulkhead(1, patience=5)
    entered = threading.Event()

    def hold():
        with bulkhead.slot():
            entered.set()
            time.sleep(0.05)

    holder = threading.Thread(target=hold)
    holder.start()
    entered.wait()
    with bulkhead.slot():
        pass
    holder.join()


def test_after_a_wait_in_vain_nobody_waits_for_a_while():
    """Waiting callers are threads that other requests need (S2S-06)."""
    bulkhead = Bulkhead(1, patience=0.5, strict_for=30)
    with bulkhead.slot():
        assert not bulkhead.acquire()

        started = time.monotonic()
        assert not any(bulkhead.acquire() for _ in range(20))
        assert time.monotonic() - started < 0.4

    with bulkhead.slot():
        pass
