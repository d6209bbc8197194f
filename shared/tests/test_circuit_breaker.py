"""The breaker, by the clock; the bulkhead, by threads."""

import threading
import time

import pytest

from shared.api.exceptions import Overloaded
from shared.circuit_breaker import Breaker, Bulkhead


def test_a_breaker_opens_at_the_threshold_for_a_pause(monkeypatch):
    now = [1000.0]
    monkeypatch.setattr(time, "monotonic", lambda: now[0])
    breaker = Breaker(threshold=3, pause=5)
    for _ in range(2):
        breaker.failed()
    assert not breaker.is_open()

    breaker.failed()
    assert breaker.is_open()
    now[0] += 4.9
    assert breaker.is_open()
    now[0] += 0.2
    assert not breaker.is_open()  # the pause ends by itself
    breaker.failed()
    assert breaker.is_open()  # and one failure opens it again
    breaker.succeeded()
    assert not breaker.is_open()


def test_only_failures_in_a_row_count():
    breaker = Breaker(threshold=2)
    for _ in range(5):
        breaker.failed()
        breaker.succeeded()

    assert not breaker.is_open()


def test_a_bulkhead_takes_as_many_as_it_has_slots():
    bulkhead = Bulkhead(2, patience=0.01)
    third = pytest.raises(Overloaded)
    with bulkhead.slot(), bulkhead.slot(), third, bulkhead.slot():
        pytest.fail("a third came in")
    with pytest.raises(RuntimeError), bulkhead.slot():
        raise RuntimeError  # which gives the slot back

    with bulkhead.slot(), bulkhead.slot():
        pass


def test_a_short_wait_is_waited():
    bulkhead = Bulkhead(1, patience=5)
    assert bulkhead.acquire()
    threading.Timer(0.05, bulkhead.slots.release).start()

    with bulkhead.slot():
        pass


def test_after_a_wait_in_vain_no_caller_waits_for_a_while():
    """Waiting callers are threads that other requests need (S2S-06)."""
    bulkhead = Bulkhead(1, patience=0.5, strict_for=30)
    with bulkhead.slot():
        assert not bulkhead.acquire()

        started = time.monotonic()
        assert not any(bulkhead.acquire() for _ in range(20))
        assert time.monotonic() - started < 0.4

    with bulkhead.slot():
        pass
