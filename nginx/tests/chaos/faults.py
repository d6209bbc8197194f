"""What can be broken, how, and which parts that touches."""

import os
import signal
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from random import Random

import psycopg

from . import clocks
from .ledger import Ledger
from .proxy import Mode
from .rig import Rig
from .timeline import PROCESSES, WAYS, Trouble

DATABASES = {"auth-db": "auth", "users-db": "users"}
WAY_NAMES = ("front", *WAYS["auth"], *WAYS["users"])
# Seconds that a fault lasts. Shorter than the leeway of refresh tokens, or who tries
# again after a lost answer is, by the rules, taken for a thief.
SHORTEST, LONGEST = 1.0, 4.0
IN_FLIGHT_PATIENCE = 5.0


@dataclass
class Stage:
    """What a fault may reach for."""

    rig: Rig
    ledger: Ledger
    rng: Random
    trouble: Trouble | None = None

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


# ---- Processes ---------------------------------------------------------------------


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
    worker = stage.rng.choice(stage.rig.stack.family(service)[1:])
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
        for worker in stage.rig.stack.family("auth")[1:]:
            with suppress(ProcessLookupError):
                os.kill(worker, signal.SIGKILL)
            stage.ledger.refreshes_killed.append(stage.ledger.in_flight["refresh"])
            time.sleep(0.3)
    yield
    stage.rig.stack.wait_for("auth")


# ---- Ways --------------------------------------------------------------------------


@contextmanager
def linked(modes: dict[str, Mode], stage: Stage) -> Iterator[None]:
    for way, mode in modes.items():
        stage.rig.set(way, mode)
    try:
        yield
    finally:
        for way in modes:
            stage.rig.set(way, Mode())


def on_way(way: str, mode: Mode) -> Act:
    return partial(linked, {way: mode})


MODES = {
    "slow": Mode(delay=0.25),
    "very slow": Mode(delay=1.2),
    "reset": Mode(reset=True),
    "lost answers": Mode(lost=0.5),
    "cut answers": Mode(cut=0.5),
    "silent": Mode(silent=True),
}

# ---- Full, empty, wrong ------------------------------------------------------------


@contextmanager
def redis_full(stage: Stage) -> Iterator[None]:
    """It takes no write; with `noeviction` DEL still works."""
    admin = stage.rig.stack.redis()
    limit = admin.config_get("maxmemory")["maxmemory"]
    admin.config_set("maxmemory", "1")
    try:
        yield
    finally:
        admin.config_set("maxmemory", limit)
        admin.close()


@contextmanager
def redis_flushed(stage: Stage) -> Iterator[None]:
    with stage.rig.stack.redis() as admin:
        admin.flushall()
    yield


@contextmanager
def database_full(service: str, stage: Stage) -> Iterator[None]:
    """PostgreSQL at max_connections, and what the service had was taken from it."""
    with ExitStack() as held:
        stack = stage.rig.stack
        app = held.enter_context(connect(stage, service, "app"))
        fill(stage, service, held)
        app.execute(TERMINATE_OTHERS)
        fill(stage, service, held)
        yield
    stack.wait_for(f"{service}-db")


def fill(stage: Stage, service: str, held: ExitStack) -> None:
    with suppress(psycopg.OperationalError):
        while True:
            held.enter_context(connect(stage, service, "owner"))


def connect(stage: Stage, service: str, role: str) -> psycopg.Connection:
    stack = stage.rig.stack
    password = stack.secret(f"{service}_db_{role}_password")
    connection = stack.connect(service, f"{service}_{role}", password)
    connection.autocommit = True
    return connection


TERMINATE_OTHERS = """
SELECT pg_terminate_backend(pid) FROM pg_stat_activity
WHERE usename = current_user AND pid <> pg_backend_pid()
"""


# ---- The catalogue -----------------------------------------------------------------


def catalogue() -> list[Fault]:
    """Every fault there is, each once."""
    found = []
    for part in PROCESSES:
        flushes = part == "redis"
        for verb, act in (("stop", stopped), ("pause", paused), ("kill -9", killed)):
            found.append(
                Fault(
                    f"{verb} {part}",
                    (part,),
                    partial(act, part),
                    lasts=verb != "kill -9",
                    flushes=flushes and verb != "pause",
                )
            )
    for part in ("redis", "auth", "users"):
        act = partial(restarted, part)
        found.append(
            Fault(f"restart {part}", (part,), act, lasts=False, flushes=part == "redis")
        )
    for service in ("auth", "users"):
        act = partial(worker_paused, service)
        found.append(Fault(f"pause a worker of {service}", (service,), act))
        for seconds in (clocks.FAST, clocks.SLOW):
            act = partial(clocks.stepped, service, seconds)
            name = f"clock {seconds:+d} s {service}"
            found.append(Fault(name, (service,), act))
    for way in WAY_NAMES:
        for name, mode in MODES.items():
            found.append(Fault(f"{name} {way}", (way,), on_way(way, mode)))
    for database, service in DATABASES.items():
        act = partial(database_full, service)
        found.append(Fault(f"full {database}", (database,), act))
    parts = ("auth", "auth>redis", "auth>auth-db", "auth>users")
    return [
        *found,
        Fault("full redis", ("redis",), redis_full),
        Fault("flush redis", ("redis",), redis_flushed, lasts=False, flushes=True),
        Fault(
            "kill -9 workers in refresh", parts, worker_killed_in_refresh, lasts=False
        ),
    ]
