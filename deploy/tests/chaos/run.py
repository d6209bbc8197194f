"""One run: users at work, what breaks meanwhile and how soon all is well again, and the
audit afterwards."""

import os
import sys
import threading
import time
import traceback
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from random import Random
from typing import Any

import requests

from deploy.tests.chaos.checker import RECOVERY, Checker
from deploy.tests.chaos.clients import Auditor, Service, SimulatedUser
from deploy.tests.chaos.faults import Fault
from deploy.tests.chaos.record import Record, Trouble
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.client import TestUser, whole_job

CLIENTS = [*[SimulatedUser] * 10, Service, Service]
# Seconds that a fault lasts. Shorter than the leeway of refresh tokens: by the rules a
# client that tries again later, after a lost answer, is taken for a thief.
SHORTEST, LONGEST = 1.0, 4.0
BUSY = 4  # processes for each core; a run has about two


class Run:
    """Users at work from `__enter__` to `__exit__`; then the audit."""

    def __init__(
        self, stack: ChaosStack, seed: int, clients: Sequence[type] = CLIENTS
    ) -> None:
        self.stack, self.seed, self.clients = stack, seed, clients
        self.rng = Random(seed)
        self.record = Record()
        self.checker = Checker(self.record)
        self.violations = self.checker.violations
        self.ending = threading.Event()
        self.pool = ThreadPoolExecutor(len(clients))
        self.audited = (0, 0)

    def __enter__(self) -> "Run":
        kinds = enumerate(self.clients)
        clients = [self.client(kind, number) for number, kind in kinds]
        self.work = [self.pool.submit(each.live, self.ending) for each in clients]
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        """A client that ended with an exception is a violation."""
        self.ending.set()
        for error in filter(None, [each.exception() for each in self.work]):
            text = "".join(traceback.format_exception(error))
            self.violations["mistake of the test"] = text
        if kind is None:
            time.sleep(RECOVERY)
            self.audited = self.client(Auditor, 0).look_at_all()

    def client(self, kind: type, number: int) -> Any:
        rng = Random(f"{self.seed} {kind.__name__} {number}")
        return kind(self.stack, self.checker, rng)

    def break_until(self, end: float, faults: Sequence[Fault]) -> None:
        """All faults in an order of chance, again and again. Each has its recovery
        measured alone."""
        queue: list[Fault] = []
        while time.monotonic() < end:
            queue = queue or self.rng.sample(faults, len(faults))
            self.break_once(queue.pop())
            time.sleep(self.rng.uniform(1, 3))

    def break_once(self, fault: Fault) -> None:
        parts, now = frozenset(fault.parts), time.monotonic()
        trouble = Trouble(fault.name, parts, now, fault.flushes)
        with self.record.lock:
            self.record.troubles.append(trouble)
        with fault.act(self.stack):
            if fault.lasts:
                time.sleep(self.rng.uniform(SHORTEST, LONGEST))
            lifted = time.monotonic()
        trouble.back = time.monotonic()
        took = self.when_all_works(lifted + 3 * RECOVERY) - lifted
        line = f"{time.strftime('%H:%M:%S')}  {fault.name}: well {took:.1f} s after it"
        if took > RECOVERY and os.getloadavg()[0] > BUSY * (os.cpu_count() or 1):
            line += ", on a machine that is too busy to judge by"
        elif took > RECOVERY:
            self.violations["slow recovery"] = f"{fault.name}: {took:.1f} s"
        print(line, file=sys.stderr, flush=True)

    def when_all_works(self, patience: float) -> float:
        """The time from which the whole job worked for a new user."""
        while (begun := time.monotonic()) < patience:
            with suppress(requests.RequestException):
                if whole_job(TestUser(self.stack)):
                    break
            time.sleep(0.1)
        return begun

    def summary(self) -> str:
        """Answers by kind and status, where 0 is none; and what went wrong."""
        answers = sorted(self.record.answers.items())
        living, over = self.audited
        lines = [f"  {kind:<16} {status:>3}: {n}" for (kind, status), n in answers]
        lines.append(f"== faults: {len(self.record.troubles)}")
        lines.append(f"== sessions at the end: {living} live, {over} ended")
        lines.append(f"== violations: {', '.join(self.violations) or 'none'}")
        return "\n".join([*lines, *self.violations.values()])
