"""Telling the person at the terminal what is being done, and how long it took."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

from . import programs

WIDTH = 52


@contextmanager
def stage(what: str) -> Iterator[None]:
    """One line: what is being done, and when it is done the time it took."""
    begun = time.monotonic()
    if sys.stdout.isatty():
        print(f"  {what} ...", end="\r", flush=True)
    yield
    milliseconds = (time.monotonic() - begun) * 1000
    print(f"  {what:<{WIDTH}} {milliseconds:>7,.0f} ms", flush=True)


def together(tasks: Sequence[Callable[[], object]]) -> None:
    """Run independent pieces of work at once. The first failure is raised, and ends
    the programs that the others wait for: nobody needs their results any more."""
    pool = ThreadPoolExecutor(max_workers=len(tasks))
    try:
        for future in [pool.submit(task) for task in tasks]:
            future.result()
    except BaseException:
        programs.end_all()
        raise
    finally:
        pool.shutdown(cancel_futures=True)
