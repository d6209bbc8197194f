"""How many passwords are hashed at once (PWD-07).

Every hash keeps a core busy and holds its memory. Two at a time per process, others
wait, and together they take at most half of the threads: whatever a storm of log-ins
does, the other half answers.
"""

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import lru_cache

from django.conf import settings

from shared.exceptions import Overloaded

AT_ONCE = 2


class Bound:
    """`AT_ONCE` callers work, others wait, and the one after `places` is refused."""

    def __init__(self, places: int) -> None:
        self.places = threading.BoundedSemaphore(places)
        self.working = threading.BoundedSemaphore(AT_ONCE)

    @contextmanager
    def slot(self) -> Iterator[None]:
        """Hold a slot, after waiting for it. Raises Overloaded, at once."""
        if not self.places.acquire(blocking=False):
            raise Overloaded
        try:
            with self.working:
                yield
        finally:
            self.places.release()


@lru_cache
def bound() -> Bound:
    """This process's bound."""
    return Bound(max(settings.WEB_THREADS // 2, 1))
