"""What a run came to, in figures."""

import statistics
from collections import Counter, defaultdict

from deploy.tests.chaos.run import Run

SHOWN = 10  # violations in full


def text(run: Run) -> str:
    return "\n".join(
        [
            f"{run.ended - run.begun:.0f} s, seed {run.seed}",
            *answers(run),
            *troubles(run),
            *rest(run),
            *violations(run),
        ]
    )


def answers(run: Run) -> list[str]:
    """By kind and status; 0 is a connection that broke."""
    counts = run.expected.answers
    kinds: dict[str, dict[int, int]] = defaultdict(dict)
    for (kind, status), number in counts.items():
        kinds[kind][status] = number
    lines = [f"== answers: {sum(counts.values())}"]
    for kind, found in sorted(kinds.items()):
        shown = "  ".join(f"{status}: {n}" for status, n in sorted(found.items()))
        lines.append(f"  {kind:<16} {shown}")
    codes = ", ".join(f"{code}: {n}" for code, n in sorted(run.expected.codes.items()))
    return [*lines, f"== 503: {run.expected.codes.total()} ({codes})"]


def troubles(run: Run) -> list[str]:
    """Faults by kind, with the longest recovery of each."""
    known = [each for each in run.timeline.troubles if not run.timeline.blind]
    recoveries: dict[str, list[float]] = defaultdict(list)
    for each in known:
        recoveries[each.name].append(each.recovery)
    verbs = Counter(kind_of(part) for t in known for part in t.name.split(" and "))
    lines = [f"== faults: {verbs.total()} at {len(known)} times"]
    lines += [f"  {number:4d} {verb}" for verb, number in verbs.most_common()]
    if known:
        every = [each.recovery for each in known]
        middle, worst = statistics.median(every), max(every)
        lines.append(f"== recovery: median {middle:.1f} s, longest {worst:.1f} s")
    for name, seconds in sorted(recoveries.items(), key=lambda x: -max(x[1]))[:5]:
        lines.append(f"  {max(seconds):4.1f} s after {name}")
    return lines


def kind_of(name: str) -> str:
    """Without the part it was done to, but for what is done to one alone."""
    return name if "refresh" in name else name.rpartition(" ")[0]


def rest(run: Run) -> list[str]:
    living, over = run.audited
    late = run.checker.late_retries
    killed = run.expected.refreshes_killed
    return [
        f"== sessions at the end: {living} live, {over} ended, all looked at again",
        f"== ended by a retry after the leeway, as documented: {late}",
        f"== refreshes under way when workers of auth were killed: {sum(killed)}",
    ]


def violations(run: Run) -> list[str]:
    kinds = Counter(each.kind for each in run.violations)
    lines = [f"== violations: {kinds.total()}"]
    lines += [f"  {number:4d} {kind}" for kind, number in kinds.most_common()]
    return [*lines, *map(str, run.violations[:SHOWN])]
