"""One run: users at work, what breaks meanwhile and how soon all is well again, and the
audit afterwards."""

import threading
import time
import traceback
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from dataclasses import dataclass, field
from random import Random
from types import SimpleNamespace
from typing import Any

import requests

from deploy.tests.chaos.background_clients import Auditor, Operator, Service, Thief
from deploy.tests.chaos.checker import RECOVERY, Checker, Violation
from deploy.tests.chaos.expected_state import ExpectedState
from deploy.tests.chaos.faults import Fault, Stage
from deploy.tests.chaos.simulated_user import SimulatedUser
from deploy.tests.chaos.target import Target
from deploy.tests.chaos.timeline import Timeline, Trouble
from deploy.tests.client import TestUser, whole_job

PAIRS = 0.15  # the share of times at which a second fault comes with the first
HOPELESS = 3 * RECOVERY
# Next to the users; seconds between two of their questions.
VERIFIERS, SERVICE_PAUSE = 2, 0.25
THIEF_PAUSE = 0.5
OPERATOR_PAUSE = 6.0


@dataclass(eq=False)
class Run:
    """Users at work from `__enter__` to `__exit__`; then the audit."""

    target: Target
    seed: int
    users: int = 10
    rate: float = 15.0  # things that all of them together do in a second
    timeline: Timeline = field(default_factory=Timeline)

    def __post_init__(self) -> None:
        self.expected = ExpectedState()
        self.checker = Checker(self.expected, self.timeline, self.target.evidence)
        self.ending = threading.Event()
        self.threads: list[threading.Thread] = []
        self.audited = (0, 0)
        self.tabs = ThreadPoolExecutor(8, "tab")

    def __enter__(self) -> "Run":
        self.begun = time.monotonic()
        for number in range(self.users):
            user = self.client(SimulatedUser, number)
            self.start(user.live, self.users / self.rate, self.tabs)
        for number in range(VERIFIERS):
            self.start(self.client(Service, number).live, SERVICE_PAUSE)
        self.start(self.client(Thief, 0).live, THIEF_PAUSE)
        if self.target.operator:
            self.start(self.client(Operator, 0).live, OPERATOR_PAUSE)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.ending.set()
        for thread in self.threads:
            thread.join()
        self.tabs.shutdown()
        if kind is None:
            self.audited = self.client(Auditor, 0).look_at_all()
        self.ended = time.monotonic()

    def client(self, kind: type, number: int) -> Any:
        rng = Random(f"{self.seed} {kind.__name__} {number}")
        return kind(self.target, self.expected, self.checker, rng)

    def start(self, live: Callable[..., None], *arguments: object) -> None:
        """A thread that ends with an exception is a violation."""

        def watched() -> None:
            try:
                live(self.ending, *arguments)
            except Exception:  # noqa: BLE001
                found = Violation("mistake of the test", traceback.format_exc(), "")
                self.checker.violations.append(found)

        thread = threading.Thread(target=watched, daemon=True)
        self.threads.append(thread)
        thread.start()

    @property
    def violations(self) -> list[Violation]:
        return self.checker.violations


def in_turn(faults: Sequence[Fault], rng: Random) -> Iterator[list[Fault]]:
    """All faults in an order of chance, again and again; now and then two at once,
    at different parts."""
    queue: list[Fault] = []
    while True:
        if not queue:
            queue = rng.sample(faults, len(faults))
        first = queue.pop()
        others = [each for each in faults if not set(each.parts) & set(first.parts)]
        second = [rng.choice(others)] if others and rng.random() < PAIRS else []
        yield [first, *second]


def break_until(
    end: float,
    every: float,
    faults: Sequence[Fault],
    stage: Stage,
    run: Run,
    say: Callable[[str], None],
) -> None:
    """Break something about every so many seconds. One that takes longer than that to
    be over delays the next: each has its recovery measured, alone."""
    for chosen in in_turn(faults, stage.rng):
        begun = time.monotonic()
        if begun >= end:
            return
        trouble = break_once(chosen, stage, run.target, run.timeline)
        run.checker.recovered(trouble)
        lasted = trouble.lifted - trouble.begun
        say(
            f"{trouble.name}: {lasted:.1f} s, well again {trouble.recovery:.1f} s later"
        )
        pause = every * stage.rng.uniform(0.5, 1.0) - (time.monotonic() - begun)
        time.sleep(max(0.5, pause))


def break_once(
    chosen: Sequence[Fault], stage: Stage, target: Target, timeline: Timeline
) -> Trouble:
    trouble = timeline.begin(
        " and ".join(each.name for each in chosen),
        {part for each in chosen for part in each.parts},
        flushes=any(each.flushes for each in chosen),
    )
    stage.trouble = trouble
    with ExitStack() as acts:
        for each in chosen:
            acts.enter_context(each.act(stage))
        if any(each.lasts for each in chosen):
            stage.last()
        stage.lift()
    trouble.back = time.monotonic()
    trouble.recovered = when_all_works(target, trouble.lifted + HOPELESS)
    return trouble


def when_all_works(target: Target, patience: float) -> float:
    """The time from which the whole job worked: when one began that did."""
    while (begun := time.monotonic()) < patience and not works(target):
        time.sleep(0.1)
    return begun


def works(target: Target) -> bool:
    """Whether the whole job works for a new user."""
    system = SimpleNamespace(
        gateway_url=target.url,
        auth_url=target.auth_url,
        api_key=lambda _service: target.service_key(),
    )
    try:
        return whole_job(TestUser(system))  # type: ignore[arg-type]
    except requests.RequestException:
        return False
