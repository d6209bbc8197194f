"""What can be broken: the ways between parts, processes and stores."""

import os
import random
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from operator import methodcaller

from deploy.tests.chaos.link import Mode
from deploy.tests.chaos.record import PROCESSES, SERVICES, WAYS
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.stack import wait_until

MODES = {
    "slow": Mode(delay=0.25),
    "very slow": Mode(delay=1.2),
    "reset": Mode(reset=True),
    "lost answers": Mode(lost=0.5),
    "silent": Mode(silent=True),
}
Act = Callable[[ChaosStack], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """`act` breaks something on entering, and on leaving all is healthy again. One that
    happens in a moment (`lasts` is false) is over at once: the rest is recovery."""

    name: str
    parts: tuple[str, ...]
    act: Act
    lasts: bool = True
    flushes: bool = False


def catalogue() -> list[Fault]:
    """Every fault there is, each once."""
    forgets = Fault("flush redis", ("redis",), redis_flushed, lasts=False, flushes=True)
    full = Fault("full redis", ("redis",), methodcaller("full_redis"))
    return [*of_processes(), *of_ways(), forgets, full]


def of_processes() -> Iterator[Fault]:
    for part in PROCESSES:
        forgets = part == "redis"  # it keeps nothing on disk
        stop, pause = methodcaller("stopped", part), methodcaller("paused", part)
        kill = partial(killed, process=part)
        yield Fault(f"stop {part}", (part,), stop, flushes=forgets)
        yield Fault(f"pause {part}", (part,), pause)
        yield Fault(f"kill -9 {part}", (part,), kill, lasts=False, flushes=forgets)
    for service in SERVICES:
        restart = partial(restarted, process=service)
        yield Fault(f"restart {service}", (service,), restart, lasts=False)
    parts = ("auth", *WAYS["auth"])
    yield Fault("kill -9 workers in refresh", parts, workers_killed, lasts=False)


def of_ways() -> Iterator[Fault]:
    for way in ("front", *WAYS["auth"], *WAYS["users"]):
        for name, mode in MODES.items():
            yield Fault(f"{name} {way}", (way,), methodcaller("mode", mode, way))


@contextmanager
def killed(stack: ChaosStack, process: str) -> Iterator[None]:
    """kill -9; the supervisor notices and starts it again."""
    before = stack.pids(process)
    os.kill(before[0], signal.SIGKILL)
    yield

    def is_back() -> bool:
        pids = stack.pids(process)
        return len(pids) == len(before) and before[0] not in pids

    wait_until(is_back, 60, f"a new {process}")
    stack.run("start", process)  # which waits until it works


@contextmanager
def restarted(stack: ChaosStack, process: str) -> Iterator[None]:
    """No outage: the processes are replaced one after the other, and all works when the
    command returns, however long that takes."""
    stack.run("restart", process)
    yield


@contextmanager
def workers_killed(stack: ChaosStack) -> Iterator[None]:
    """Between the row and Redis, or wherever the refreshes under way are just then:
    the ways are slow, so that there are some."""
    with stack.mode(Mode(delay=0.1), *WAYS["auth"]):
        time.sleep(random.uniform(1.0, 2.0))
        for worker in stack.workers("auth"):
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
            time.sleep(0.3)
    yield
    stack.run("start", "auth")  # which waits until it works


@contextmanager
def redis_flushed(stack: ChaosStack) -> Iterator[None]:
    with stack.redis() as admin:
        admin.flushall()
    yield
