"""Mutations, tried in two lanes, and what came of each."""

import time
from collections import defaultdict
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

from deploy.native.layout import Layout

from .catalog import Mutation
from .outcome import Outcome
from .trial import Trial, suite_of

LANES = 2


@dataclass(frozen=True)
class Result:
    """`killed`: the test failed with the mutation, and passes without."""

    mutation: Mutation
    killed: bool
    seconds: float
    why: str


def run(layout: Layout, mutations: Sequence[Mutation], folder: Path) -> list[Result]:
    """Try each, on copies in `folder`; tells every result as it comes."""
    trials = [Trial(layout, folder / str(number)) for number in range(LANES)]
    with ThreadPoolExecutor(LANES) as pool:
        try:
            found = list(pool.map(_try_lane, trials, _lanes(mutations)))
        except BaseException:
            for trial in trials:
                trial.stop()
            raise
    return [result for lane in found for result in lane]


def _lanes(mutations: Sequence[Mutation]) -> list[dict[str, list[Mutation]]]:
    """By suite, a whole suite in one lane: its runs share a database."""
    suites: dict[str, list[Mutation]] = defaultdict(list)
    for mutation in mutations:
        suites[suite_of(mutation.test)].append(mutation)
    lanes: list[dict[str, list[Mutation]]] = [{} for _ in range(LANES)]
    for suite in sorted(suites, key=lambda name: -len(suites[name])):
        shortest = min(lanes, key=lambda lane: sum(map(len, lane.values())))
        shortest[suite] = suites[suite]
    return lanes


def _try_lane(trial: Trial, suites: dict[str, list[Mutation]]) -> list[Result]:
    try:
        return [
            result
            for suite, mutations in suites.items()
            for result in _try_suite(trial, suite, mutations)
        ]
    finally:
        trial.close()


def _try_suite(
    trial: Trial, suite: str, mutations: Sequence[Mutation]
) -> Iterator[Result]:
    tests = sorted({mutation.test for mutation in mutations})
    whole = trial.unmutated(suite, tests)
    for mutation in mutations:
        begun = time.monotonic()
        killed, why = _verdict(trial, mutation, whole)
        result = Result(mutation, killed, time.monotonic() - begun, why)
        print(_line(result), flush=True)
        yield result


def _verdict(trial: Trial, mutation: Mutation, whole: Outcome) -> tuple[bool, str]:
    """A test that fails without the mutation too is no proof of anything."""
    if not whole.is_green:
        return False, f"not green without a mutation: {whole}"
    outcome = trial.mutated(mutation)
    return outcome.is_red, outcome.why if outcome.is_red else str(outcome)


def _line(result: Result) -> str:
    word = "killed" if result.killed else "SURVIVED"
    mutation = result.mutation
    return (
        f"  {word:<8} {mutation.id:<8} {result.seconds:5.1f} s  {mutation.file}\n"
        f"           {mutation.test}: {result.why[:200]}"
    )
