"""The bulkhead, and threads at the breaker, which is tested where it is used too:
`test_session_state`."""

import threading
import time

import pytest

from shared.api.exceptions import Overloaded
from shared.circuit_breaker import Breaker, Bulkhead


def test_the_metric_of_a_breaker_says_what_it_is(monkeypatch):
    """A thread fails while another succeeds: the alert would never end."""
    breaker = Breaker("push")
    gauge = breaker.gauge
    success = threading.Thread(target=breaker.succeeded)

    class SlowGauge:
        def set(self, value):
            if value == 1:
                success.start()
                success.join(0.2)
            gauge.set(value)

    breaker.failures = breaker.threshold - 1
    monkeypatch.setattr(breaker, "gauge", SlowGauge())
    breaker.failed()
    success.join()
    assert (breaker.is_open(), gauge._value.get()) == (False, 0)


def test_a_bulkhead_takes_as_many_as_it_has_slots():
    bulkhead = Bulkhead(2, patience=0.01)
    with pytest.raises(RuntimeError), bulkhead.slot():
        raise RuntimeError  # which gives the slot back
    third = pytest.raises(Overloaded)
    with bulkhead.slot(), bulkhead.slot(), third, bulkhead.slot():
        pytest.fail("a third came in")


def test_after_a_wait_in_vain_no_caller_waits_for_a_while():
    """Waiting callers are threads that other requests need (S2S-06)."""
    bulkhead = Bulkhead(1)
    assert bulkhead.acquire()
    threading.Timer(0.05, bulkhead.slots.release).start()
    with bulkhead.slot():  # after a short wait
        assert not bulkhead.acquire()
        started = time.monotonic()
        assert not any(bulkhead.acquire() for _ in range(20))
        assert time.monotonic() - started < 0.4
