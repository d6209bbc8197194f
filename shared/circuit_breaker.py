"""Limits on waiting: for a server that does not answer, and for a busy one."""

import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager

from shared import metrics
from shared.api.exceptions import Overloaded


class Breaker:
    """Opens after `threshold` failures in a row: for `pause` seconds no caller tries.

    After the pause all callers try again, and the first failure opens it again. The
    metric `circuit_open` is 1 for `name` until a try succeeds.
    A race between threads costs at most one try too many.
    """

    threshold = 3
    pause = 5.0

    def __init__(self, name: str) -> None:
        self.gauge = metrics.circuit_open.labels(name)
        self.lock = threading.Lock()  # so that the metric tells the truth
        self.failures = 0
        self.open_until = 0.0

    def is_open(self) -> bool:
        return time.monotonic() < self.open_until

    def succeeded(self) -> None:
        if self.failures:
            with self.lock:
                self.failures = 0
                self.open_until = 0.0
                self.gauge.set(0)

    def failed(self) -> None:
        with self.lock:
            self.failures += 1
            if self.failures >= self.threshold:
                self.open_until = time.monotonic() + self.pause
                self.gauge.set(1)


class Bulkhead:
    """At most `slots` callers at once. The next waits up to `patience` seconds, then
    gets a 503. After a wait that fails, no caller waits for `strict_for` seconds.

    So a short burst queues while calls are answered. When they hang, waiting callers
    cannot take the threads that other requests need.
    """

    strict_for = 5.0

    def __init__(self, slots: int, patience: float = 0.5) -> None:
        self.slots = threading.BoundedSemaphore(slots)
        self.patience = patience
        self.strict_until = 0.0

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot. Raises Overloaded."""
        if not self.acquire():
            raise Overloaded
        try:
            yield
        finally:
            self.slots.release()

    def acquire(self) -> bool:
        if self.slots.acquire(blocking=False):
            return True
        if time.monotonic() < self.strict_until:
            return False
        if self.slots.acquire(timeout=self.patience):
            return True
        self.strict_until = time.monotonic() + self.strict_for
        return False
