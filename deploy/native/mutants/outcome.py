"""What a run of pytest says of a mutation, from its JUnit report."""

import re
import xml.etree.ElementTree as ElementTree
from dataclasses import dataclass
from pathlib import Path

ASSERTIONS_FAILED = 1  # pytest's exit status: tests ran, and some failed
# So fails whatever cannot even be run, or was mutated carelessly.
NOT_RUN = re.compile(r"(Syntax|Indentation|Import|ModuleNotFound|Name)Error")


@dataclass(frozen=True)
class Outcome:
    """Of one run: pytest's exit status and the counts of its report."""

    status: int
    passed: int = 0
    failed: int = 0
    errors: int = 0
    skipped: int = 0
    why: str = ""

    @property
    def is_green(self) -> bool:
        """Everything that was named ran, and passed."""
        others = self.failed + self.errors + self.skipped
        return self.status == 0 and self.passed > 0 and others == 0

    @property
    def is_red(self) -> bool:
        """The test itself failed: no fixture, no collection, no name misspelt."""
        ran = self.status == ASSERTIONS_FAILED and self.failed > 0 and self.errors == 0
        return ran and not NOT_RUN.match(self.why)

    def __str__(self) -> str:
        counts = f"{self.passed} passed, {self.failed} failed, {self.errors} errors"
        return f"{counts}, {self.skipped} skipped, exit {self.status}. {self.why}"


def read(status: int, report: Path) -> Outcome:
    """Without a report (pytest did not get that far) there are no counts."""
    if not report.exists():
        return Outcome(status, why="no report")
    # A file that pytest has just written for us.
    suite = ElementTree.parse(report).getroot().find("testsuite")  # noqa: S314
    if suite is None:
        return Outcome(status, why="an empty report")
    names = ("tests", "failures", "errors", "skipped")
    tests, failed, errors, skipped = (int(suite.get(name, "0")) for name in names)
    why = next((each.get("message", "") for each in suite.iter("failure")), "")
    if errors:
        why = next((each.get("message", "") for each in suite.iter("error")), "")
    first = why.strip().splitlines()[0] if why.strip() else ""
    passed = tests - failed - errors - skipped
    return Outcome(status, passed, failed, errors, skipped, first)
