"""`python -m deploy test|verify|<suite>|<proof> ...`: what proves the product.

A suite that is run alone, by its name, uses the stacks that are up.
"""

import os
import sys
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import takewhile

from deploy import jobs, proofs, suites
from deploy.jobs import Result
from deploy.suites import JOBS, ROOT, SERVICES
from deploy.tests.stack import System

AT_ONCE = 2
ALL = [name for job in JOBS for name in job]
# Those of `verify`, each with its words.
VERIFIED = {
    "mutate": ["--all"],
    "fuzz": ["--minutes", "5"],
    "model": ["--faults"],
    "chaos": ["--minutes", "5"],
    "bench": ["--opponents", "--rounds", "1", "--seconds", "1"],
}


def run(names: Sequence[str], *words: str) -> list[Result]:
    """The named suites, two jobs at once. The output of one alone is shown as it
    comes."""
    System(suites.UNITS).configure()  # Checks read settings, too.

    def run_job(job: tuple[str, ...]) -> list[Result]:
        chosen = [name for name in job if name in names]
        with jobs.stacks(*(JOBS[job] if chosen else ())):
            return [
                jobs.timed(name, partial(suites.run, name, *words), len(names) > 1)
                for name in chosen
            ]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [result for results in pool.map(run_job, JOBS) for result in results]


def test(*words: str) -> int:
    """Every check and suite, or those that are named; then pytest's words for them."""
    names = [*takewhile(ALL.__contains__, words)]
    more = words[len(names) :]
    if more and (not names or more[0].isalnum()):
        print(f"memo: no suite {more[0]}; there are: {', '.join(ALL)}")
        return 2
    return jobs.report(run(names or ALL, *more))


def verify() -> int:
    """Every suite with the tests that take long, then every proof by itself."""
    os.environ[suites.VERIFY] = "1"
    results = run([name for name in ALL if name != "security"])
    for name, words in VERIFIED.items():
        results.append(jobs.timed(name, partial(getattr(proofs, name), *words)))
    return jobs.report(results)


def main(name: str, *words: str) -> int:
    """The exit status."""
    os.umask(0o022)  # What a user's shell has, not the private one of `up`.
    for each in ("GATEWAY", *map(str.upper, SERVICES)):  # meant for the stack of `up`
        os.environ.pop(f"{each}_PORT", None)
    (ROOT / ".run" / "tmp").mkdir(exist_ok=True)
    jobs.handle_interruptions()
    if name in suites.SUITES and name != "audit":
        return suites.run(name, *words)
    command = {"test": test, "verify": verify}.get(name) or getattr(proofs, name)
    return int(command(*words))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
