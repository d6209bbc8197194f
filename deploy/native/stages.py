"""Telling the person at the terminal what is being done, and how long it took."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

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
    """Run independent pieces of work at once; the first failure is raised."""
    with ThreadPoolExecutor(max_workers=len(tasks)) as pool:
        futures = [pool.submit(task) for task in tasks]
        for future in futures:
            future.result()
