"""One run: the people, whoever breaks things meanwhile, and the look afterwards."""

import threading
import time
import traceback
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from random import Random

from deploy.tests.chaos.audit import Auditor
from deploy.tests.chaos.background_clients import Operator, Service, Thief
from deploy.tests.chaos.checker import Checker, Violation
from deploy.tests.chaos.crowd import Person
from deploy.tests.chaos.expected_state import Ledger
from deploy.tests.chaos.target import Target
from deploy.tests.chaos.timeline import Timeline

# Beside the people; seconds between two of their questions.
SERVICES, SERVICE_PAUSE = 2, 0.25
THIEF_PAUSE = 0.5
OPERATOR_PAUSE = 6.0


@dataclass(eq=False)
class Run:
    """People at work from `__enter__` to `__exit__`; then the audit."""

    target: Target
    seed: int
    people: int = 10
    rate: float = 15.0  # things that all of them together do in a second
    timeline: Timeline = field(default_factory=Timeline)

    def __post_init__(self) -> None:
        self.ledger = Ledger()
        self.checker = Checker(self.ledger, self.timeline, self.target.evidence)
        self.ending = threading.Event()
        self.threads: list[threading.Thread] = []
        self.audited = (0, 0)
        self.tabs = ThreadPoolExecutor(8, "tab")

    def __enter__(self) -> "Run":
        self.begun = time.monotonic()
        for number in range(self.people):
            person = self.visitor(Person, number)
            self.start(person.live, self.people / self.rate, self.tabs)
        for number in range(SERVICES):
            self.start(self.visitor(Service, number).live, SERVICE_PAUSE)
        self.start(self.visitor(Thief, 0).live, THIEF_PAUSE)
        if self.target.operator:
            self.start(self.visitor(Operator, 0).live, OPERATOR_PAUSE)
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.ending.set()
        for thread in self.threads:
            thread.join()
        self.tabs.shutdown()
        if kind is None:
            self.audited = self.visitor(Auditor, 0).look_at_all()
        self.ended = time.monotonic()

    def visitor(self, kind: type, number: int):
        rng = Random(f"{self.seed} {kind.__name__} {number}")
        return kind(self.target, self.ledger, self.checker, rng)

    def start(self, live: Callable[..., None], *arguments: object) -> None:
        """A thread that ends of a mistake is one, and not silent."""

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
