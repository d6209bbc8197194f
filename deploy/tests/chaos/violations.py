"""What did not hold, with the whole story of the session it is about."""

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass

from deploy.tests.chaos.expected_state import Account, Ledger
from deploy.tests.chaos.timeline import EVERYTHING, Timeline

KEPT = 50  # violations whose story is told


@dataclass(frozen=True)
class Violation:
    kind: str
    what: str
    story: str

    def __str__(self) -> str:
        return f"VIOLATION {self.kind}: {self.what}\n{self.story}"


class Reporter:
    """Keeps violations. `evidence` is what the database says of a session."""

    def __init__(
        self,
        ledger: Ledger,
        timeline: Timeline,
        evidence: Callable[[str], str] = lambda _sid: "",
    ) -> None:
        self.ledger = ledger
        self.timeline = timeline
        self.evidence = evidence
        self.violations: list[Violation] = []
        self.lock = threading.Lock()
        self.started = time.monotonic()

    def report(self, kind: str, what: str, account: Account, sid: str = "") -> None:
        with self.lock:
            told = len(self.violations) < KEPT
            story = self.story(account, sid) if told else ""
            self.violations.append(Violation(kind, what, story))

    def story(self, account: Account, sid: str) -> str:
        """The events of a session, and of its account, between the troubles."""
        with self.ledger.lock:
            events = [
                (answer.begun, f"{about[:8]:<8} {answer}")
                for about, answer in account.story
                if about in ("", sid)
            ]
        begun = events[0][0] if events else self.started
        for each in self.timeline.touching(EVERYTHING, begun, time.monotonic()):
            events.append((each.begun, f"-------- {each.name} begins"))
            if each.back < time.monotonic():
                events.append((each.back, f"-------- {each.name} is over"))
        lines = [f"  {at - self.started:9.3f}  {text}" for at, text in sorted(events)]
        head = f"  {account.email} ({account.sub}), session {sid or 'none'}"
        return "\n".join([head, *lines, f"  {self.evidence(sid)}"])
