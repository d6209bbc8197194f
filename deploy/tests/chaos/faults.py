"""What can be broken: the ways between parts, processes, stores and clocks."""

import os
import signal
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from random import Random

import psycopg

from deploy.tests.chaos import clocks
from deploy.tests.chaos.expected_state import ExpectedState
from deploy.tests.chaos.link import Mode
from deploy.tests.chaos.proxied_stack import ProxiedStack
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.chaos.timeline import PROCESSES, SERVICES, WAYS, Trouble

# Seconds that a fault lasts. Shorter than the leeway of refresh tokens: by the rules a
# client that tries again later, after a lost answer, is taken for a thief.
SHORTEST, LONGEST = 1.0, 4.0
IN_FLIGHT_PATIENCE = 5.0  # seconds to wait for a refresh that is under way
MODES = {
    "slow": Mode(delay=0.25),
    "very slow": Mode(delay=1.2),
    "reset": Mode(reset=True),
    "lost answers": Mode(lost=0.5),
    "cut answers": Mode(cut=0.5),
    "silent": Mode(silent=True),
}
TERMINATE_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = current_user AND pid <> pg_backend_pid()
"""


@dataclass
class Stage:
    """What a fault may reach for."""

    proxied: ProxiedStack
    expected: ExpectedState
    rng: Random
    trouble: Trouble | None = None

    @property
    def stack(self) -> ChaosStack:
        return self.proxied.stack

    def lift(self) -> None:
        """From here on it is recovery."""
        if self.trouble:
            self.trouble.lifted = time.monotonic()

    def last(self) -> None:
        time.sleep(self.rng.uniform(SHORTEST, LONGEST))


Act = Callable[[Stage], AbstractContextManager[None]]


@dataclass(frozen=True)
class Fault:
    """`act` breaks something on entering, and on leaving all is healthy again. One that
    happens in a moment (`lasts` is false) is over at once: the rest is recovery."""

    name: str
    parts: tuple[str, ...]
    act: Act
    lasts: bool = True
    flushes: bool = False


# ---- Ways ----------------------------------------------------------------------------


@contextmanager
def linked(modes: dict[str, Mode], stage: Stage) -> Iterator[None]:
    for way, mode in modes.items():
        stage.proxied.set(way, mode)
    try:
        yield
    finally:
        for way in modes:
            stage.proxied.set(way, Mode())


def on_way(way: str, mode: Mode) -> Act:
    return partial(linked, {way: mode})


# ---- Processes -----------------------------------------------------------------------


def stopped(process: str, stage: Stage) -> AbstractContextManager[None]:
    return stage.stack.stopped(process)


def paused(process: str, stage: Stage) -> AbstractContextManager[None]:
    return stage.stack.paused(process)


@contextmanager
def killed(process: str, stage: Stage) -> Iterator[None]:
    """kill -9; the supervisor notices and starts it again."""
    stack = stage.stack
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
    stage.stack.run("restart", process)


@contextmanager
def worker_paused(service: str, stage: Stage) -> Iterator[None]:
    """One of two workers is paused, with the requests it works on."""
    worker = stage.rng.choice(stage.stack.workers(service))
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
    in_flight = stage.expected.in_flight
    with linked({way: Mode(delay=0.1) for way in ways}, stage):
        until = time.monotonic() + IN_FLIGHT_PATIENCE
        while not in_flight["refresh"] and time.monotonic() < until:
            time.sleep(0.01)
        time.sleep(stage.rng.uniform(0.0, 0.5))
        for worker in stage.stack.workers("auth"):
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
            stage.expected.refreshes_killed.append(in_flight["refresh"])
            time.sleep(0.3)
    yield
    stage.stack.wait_for("auth")


# ---- Stores --------------------------------------------------------------------------


@contextmanager
def redis_full(stage: Stage) -> Iterator[None]:
    """It takes no write; with `noeviction` DEL still works."""
    with stage.stack.redis() as admin:
        limit = admin.config_get("maxmemory")["maxmemory"]
        admin.config_set("maxmemory", "1")
        try:
            yield
        finally:
            admin.config_set("maxmemory", limit)


@contextmanager
def redis_flushed(stage: Stage) -> Iterator[None]:
    with stage.stack.redis() as admin:
        admin.flushall()
    yield


@contextmanager
def database_full(service: str, stage: Stage) -> Iterator[None]:
    """PostgreSQL at max_connections, and the service's connections terminated."""
    with ExitStack() as held:
        app = held.enter_context(connect(stage, service, "app"))
        fill(stage, service, held)
        app.execute(TERMINATE_OTHERS)
        fill(stage, service, held)
        yield
    stage.stack.wait_for(f"{service}-db")


def fill(stage: Stage, service: str, held: ExitStack) -> None:
    with suppress(psycopg.OperationalError):
        while True:
            held.enter_context(connect(stage, service, "owner"))


def connect(
    stage: Stage, service: str, role: str
) -> psycopg.Connection[tuple[object, ...]]:
    password = stage.stack.secret(f"{service}_db_{role}_password")
    connection = stage.stack.connect(service, f"{service}_{role}", password)
    connection.autocommit = True
    return connection


# ---- All of them ---------------------------------------------------------------------


def catalogue() -> list[Fault]:
    """Every fault there is, each once."""
    return [*of_processes(), *of_services(), *of_ways(), *of_stores()]


def of_processes() -> Iterator[Fault]:
    for part in PROCESSES:
        forgets = part == "redis"  # it keeps nothing on disk
        stop, pause, kill = (partial(act, part) for act in (stopped, paused, killed))
        yield Fault(f"stop {part}", (part,), stop, flushes=forgets)
        yield Fault(f"pause {part}", (part,), pause)
        yield Fault(f"kill -9 {part}", (part,), kill, lasts=False, flushes=forgets)


def of_services() -> Iterator[Fault]:
    for service in SERVICES:
        restart = partial(restarted, service)
        yield Fault(f"restart {service}", (service,), restart, lasts=False)
        pause = partial(worker_paused, service)
        yield Fault(f"pause a worker of {service}", (service,), pause)
        for seconds in (clocks.FAST, clocks.SLOW):
            step = partial(clocks.stepped, service, seconds)
            yield Fault(f"clock {seconds:+d} s {service}", (service,), step)
    parts, act = ("auth", *WAYS["auth"]), worker_killed_in_refresh
    yield Fault("kill -9 workers in refresh", parts, act, lasts=False)


def of_ways() -> Iterator[Fault]:
    for way in ("front", *WAYS["auth"], *WAYS["users"]):
        for name, mode in MODES.items():
            yield Fault(f"{name} {way}", (way,), on_way(way, mode))


def of_stores() -> Iterator[Fault]:
    for service in SERVICES:
        full = partial(database_full, service)
        yield Fault(f"full {service}-db", (f"{service}-db",), full)
    redis = ("redis",)
    yield Fault("full redis", redis, redis_full)
    yield Fault("flush redis", redis, redis_flushed, lasts=False, flushes=True)
    restart = partial(restarted, "redis")
    yield Fault("restart redis", redis, restart, lasts=False, flushes=True)


def choose(stack: ChaosStack, only: list[str]) -> list[Fault]:
    """All faults, or those in whose name one of these words is."""
    found = catalogue()
    if only:
        found = [each for each in found if any(word in each.name for word in only)]
    if not found:
        names = "\n  ".join(each.name for each in catalogue())
        sys.exit(f"No fault has {' or '.join(only)} in its name:\n  {names}")
    if reason := clocks.why_not(stack.layout):
        print(f"LEFT OUT: faults of the clock. {reason}", file=sys.stderr)
        found = [each for each in found if not each.name.startswith("clock")]
    return found
