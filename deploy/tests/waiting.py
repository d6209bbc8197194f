"""The one way in which the suites wait for something."""

import time
from collections.abc import Callable


def wait_until(condition: Callable[[], object], seconds: float, what: str) -> float:
    """Wait until `condition()` is true. Returns the seconds that took, and fails after
    `seconds`."""
    started = time.monotonic()
    while not condition():
        passed = time.monotonic() - started
        assert passed < seconds, f"{what}: not within {seconds} s"
        time.sleep(0.05)
    return time.monotonic() - started
