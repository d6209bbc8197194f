"""The sweep: a thread in every worker that compares Redis with recent revocations, and
every hour deletes what has no more use."""

import threading
import time
from collections.abc import Callable
from typing import TypeVar

from django.db import connection

from shared.db import rights
from shared.structured_logging import dependency_logger
from tokens import purges
from tokens.revocation import republish_revocations

INTERVAL = 2.0  # seconds; the bound for a revocation that Redis missed
PURGE_INTERVAL = 3600.0

T = TypeVar("T")


def start_sweep() -> threading.Thread:
    """Start it. A daemon: it must not keep a worker from ending."""
    thread = threading.Thread(target=sweep_forever, name="sweep", daemon=True)
    thread.start()
    return thread


def sweep_forever(stop: threading.Event | None = None) -> None:
    """Sweep until `stop` is set: every INTERVAL, but at most a third of the time."""
    stop, took, next_purge = stop or threading.Event(), 0.0, 0.0
    while not stop.wait(max(INTERVAL, 2 * took)):
        began = time.monotonic()
        sweep_once()
        if began >= next_purge and not purge_once():
            next_purge = began + PURGE_INTERVAL
        took = time.monotonic() - began


def sweep_once() -> None:
    """One round."""
    survive(republish_revocations, {"event": "sweep"})


def purge_once() -> bool:
    """Delete one batch of sessions, of pending logins and of events, so that no sweep
    is late; whether there may be more."""
    sessions = survive(purges.purge_batch, {"event": "purge"})
    logins = survive(purges.purge_logins, {"event": "purge"})
    events = survive(rights.purge_batch, {"event": "purge"})
    return purges.BATCH in (sessions, logins) or events == rights.MOST


def survive(act: Callable[[], T], extra: dict[str, str]) -> T | None:
    """Whatever goes wrong in it, the next round must come."""
    try:
        return act()
    except Exception as exc:  # noqa: BLE001 - a sweep that died would heal nothing
        text = f"{extra['event']} failed: {type(exc).__name__}"
        dependency_logger.warning("%s", text, extra=extra)
        return None
    finally:
        connection.close()  # back to the pool until the next round
