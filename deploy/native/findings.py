"""What `doctor` finds: a verdict, what was seen, and what to do about it."""

import json
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass

from .problems import MISSING

OK, NOTE, WRONG = "ok", "note", "WRONG"


@dataclass(frozen=True)
class Finding:
    """`where` is a service, `gateway`, or `machine`; `id` names what was looked at."""

    where: str
    id: str
    verdict: str
    text: str
    advice: str = ""

    def __str__(self) -> str:
        advice = f" -> {self.advice}" if self.advice else ""
        place = f"{self.where}: {self.id}"
        return f"  {self.verdict:<5} {place:<29} {self.text}{advice}"


def judge(
    where: str, identity: str, holds: bool, text: str, otherwise: str, advice: str
) -> Finding:
    """ok with `text` where it holds, else WRONG with what is the case instead."""
    if holds:
        return Finding(where, identity, OK, text)
    return Finding(where, identity, WRONG, otherwise, advice)


def show(findings: Iterable[Finding], *, as_json: bool) -> int:
    """Print them; the exit status: 0, or 3 where something is WRONG."""
    found = list(findings)
    if as_json:
        print(json.dumps([asdict(finding) for finding in found], indent=1))
    else:
        for finding in found:
            print(finding)
        print(_summary(found))
    return MISSING if any(each.verdict == WRONG for each in found) else 0


def _summary(found: Sequence[Finding]) -> str:
    verdicts = [finding.verdict for finding in found]
    counts = (f"{verdicts.count(each)} {each}" for each in (OK, NOTE, WRONG))
    return f"  {', '.join(counts)}; docs/doctor.md says what is looked at"
