"""The pool of threads that hash passwords, which bounds how many hash at once (PWD-07).

Every hash keeps a core busy and holds its memory. Two hash at a time per process, and
others wait. Together they take at most half of the web threads: in a storm of logins
the other half still answers.
"""

import os
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache
from typing import Any

from django.conf import settings

from shared.api.exceptions import Overloaded
from users import metrics

AT_ONCE = 2
NICENESS = 10  # of the threads that hash; the kernel's scale ends at 19


class PasswordHashingPool:
    """`AT_ONCE` callers work, others wait, and more than `slots` are refused.

    Separate threads hash. Their priority is lower than that of the threads that answer,
    which need the processor briefly and at once. They are few: the C library keeps the
    19 MiB of a hash for each thread, and all threads of a worker would keep 150 MiB.
    """

    def __init__(self, slots: int) -> None:
        self.slots = threading.BoundedSemaphore(slots)
        self.threads = ThreadPoolExecutor(AT_ONCE, "hashing", lower_thread_priority)

    def run(self, work: Callable[..., Any], *args: Any) -> Any:
        """Return or raise what `work` does. It must not use the database, since each
        thread has a connection of its own. Raises Overloaded without waiting."""
        if not self.slots.acquire(blocking=False):
            metrics.password_hash_refused_total.inc()
            raise Overloaded
        began = time.perf_counter()
        try:
            future = self.threads.submit(work, *args)
        except RuntimeError:  # The process is shutting down: threads take no new work.
            return work(*args)
        else:
            return future.result()
        finally:
            metrics.password_hash_seconds.observe(time.perf_counter() - began)
            self.slots.release()


def lower_thread_priority() -> None:
    """Lower this thread's priority (sched(7): on Linux each thread has its own)."""
    if sys.platform == "linux":
        thread = threading.get_native_id()
        mine = os.getpriority(os.PRIO_PROCESS, thread)
        os.setpriority(os.PRIO_PROCESS, thread, max(mine, NICENESS))


@lru_cache
def pool() -> PasswordHashingPool:
    """This process's pool."""
    return PasswordHashingPool(max(settings.WEB_THREADS // 2, 1))
