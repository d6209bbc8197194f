"""The sweep: a thread in every worker that compares Redis with recent revocations."""

import threading
import time

from django.db import connection

from shared.structured_logging import dependency_logger
from tokens.revocation import republish_revocations

INTERVAL = 2.0  # seconds; the bound for a revocation that Redis missed


def start_sweep() -> threading.Thread:
    """Start it. A daemon: it must not keep a worker from ending."""
    thread = threading.Thread(target=sweep_forever, name="sweep", daemon=True)
    thread.start()
    return thread


def sweep_forever(stop: threading.Event | None = None) -> None:
    """Sweep until `stop` is set: every INTERVAL, but at most a third of the time."""
    stop, took = stop or threading.Event(), 0.0
    while not stop.wait(max(INTERVAL, 2 * took)):
        began = time.monotonic()
        sweep_once()
        took = time.monotonic() - began


def sweep_once() -> None:
    """One round. Whatever goes wrong in it, the next one must come."""
    try:
        republish_revocations()
    except Exception as exc:  # noqa: BLE001 - a sweep that died would heal nothing
        dependency_logger.warning(
            "sweep failed: %s", type(exc).__name__, extra={"event": "sweep"}
        )
    finally:
        connection.close()  # back to the pool until the next round
