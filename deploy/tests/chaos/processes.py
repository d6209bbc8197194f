"""Processes that stop, stand still, are killed, or begin anew."""

import os
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

from deploy.tests.chaos.faults import Stage, linked
from deploy.tests.chaos.link import Mode

IN_FLIGHT_PATIENCE = 5.0  # seconds to wait for a refresh that is under way


@contextmanager
def stopped(process: str, stage: Stage) -> Iterator[None]:
    with stage.rig.stack.stopped(process):
        yield


@contextmanager
def paused(process: str, stage: Stage) -> Iterator[None]:
    with stage.rig.stack.paused(process):
        yield


@contextmanager
def killed(process: str, stage: Stage) -> Iterator[None]:
    """kill -9; the supervisor notices and starts it again."""
    stack = stage.rig.stack
    pid = stack.pid(process)
    assert pid, f"{process} does not run"
    os.kill(pid, signal.SIGKILL)
    yield
    while stack.pid(process) in (pid, None):
        time.sleep(0.05)
    stack.wait_for(process)


@contextmanager
def restarted(process: str, stage: Stage) -> Iterator[None]:
    yield
    stage.rig.stack.run("restart", process)


@contextmanager
def worker_paused(service: str, stage: Stage) -> Iterator[None]:
    """Of two workers one stands still, with whatever it has in its hands."""
    worker = stage.rng.choice(stage.rig.stack.workers(service))
    with suppress(ProcessLookupError):
        os.kill(worker, signal.SIGSTOP)
    try:
        yield
    finally:
        with suppress(ProcessLookupError):
            os.kill(worker, signal.SIGCONT)


@contextmanager
def worker_killed_in_refresh(stage: Stage) -> Iterator[None]:
    """Between the row and Redis, or wherever the refreshes under way are just then:
    their ways are slow, so that there are some."""
    ways = ("auth>redis", "auth>auth-db", "auth>users")
    slow = {way: Mode(delay=0.1) for way in ways}
    with linked(slow, stage):
        until = time.monotonic() + IN_FLIGHT_PATIENCE
        while not stage.ledger.in_flight["refresh"] and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(stage.rng.uniform(0.0, 0.5))
        for worker in stage.rig.stack.workers("auth"):
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
            stage.ledger.refreshes_killed.append(stage.ledger.in_flight["refresh"])
            time.sleep(0.3)
    yield
    stage.rig.stack.wait_for("auth")
