"""`python -m deploy test|verify|<suite>|<proof> ...`: what proves the product.

A suite that is run alone, by its name, uses the stacks that are up.
"""

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from itertools import chain, takewhile
from typing import Any

from deploy import jobs, suites
from deploy.jobs import Result, python
from deploy.local.problems import Problem
from deploy.local.servers import server_binaries
from deploy.local.setup import layout as layouts
from deploy.mutations import __main__ as mutations
from deploy.suites import JOBS, MAIN, RUN, SERVICES, UNITS, VERIFY
from deploy.tests.stack import System

AT_ONCE = 2
ALL = [*chain(*JOBS)]
# The proofs that `verify` runs, each with its arguments.
VERIFIED = (
    ("mutate", "--all"),
    ("fuzz", "--minutes", "5", "--examples", "100"),
    ("model", "--faults"),
    ("chaos", "--minutes", "5"),
    ("bench", "--opponents", "--rounds", "1", "--seconds", "1"),
)
PIP_AUDIT = ["pip_audit", "--disable-pip", "--strict", "--progress-spinner", "off"]
PIP_AUDIT += ["--cache-dir", str(RUN / "cache" / "pip-audit"), "-s", "osv"]
SBOM = ["cyclonedx_py", "requirements", "requirements/runtime.txt", "-o", "-"]
SBOM += ["--pyproject", "pyproject.toml", "--output-reproducible"]
NOT_AUDITED = """\
memo: NOT AUDITED: this network reaches no database of vulnerabilities.
  Try again from another network, or name a mirror: audit --osv-url URL"""


def run(names: Sequence[str], *words: str) -> list[Result]:
    """Run the named suites, two jobs at once. The output of a single suite is shown as
    it comes."""
    System(UNITS).configure()  # Checks read settings, too.

    def run_job(job: tuple[str, ...]) -> list[Result]:
        chosen = [name for name in job if name in names]
        with jobs.stacks(*(JOBS[job] if chosen else ())):
            return [jobs.timed(x, *words, quiet=len(names) > 1) for x in chosen]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [*chain(*pool.map(run_job, JOBS))]


def test(*words: str) -> int:
    """Run every check and suite, or the named ones. Words after them go to pytest."""
    names = [*takewhile(ALL.__contains__, words)]
    more = words[len(names) :]
    if more and (not names or more[0].isalnum()):
        print(f"memo: no suite {more[0]}; there are: {', '.join(ALL)}")
        return 2
    return jobs.report(run(names or ALL, *more))


def verify() -> int:
    """Run every suite, with the tests that take long, then every proof by itself."""
    os.environ[VERIFY] = "1"
    results = run([name for name in ALL if name != "security"])
    return jobs.report([*results, *(jobs.timed(*words) for words in VERIFIED)])


def parse(words: Sequence[str], **options: float) -> argparse.Namespace:
    """The options of a proof, by their defaults."""
    parser = argparse.ArgumentParser("./manage_all.sh")
    for name, default in options.items():
        flag, number = {"action": "store_true"}, {"type": type(default)}
        how: dict[str, Any] = flag if default is False else number
        parser.add_argument(f"--{name}", default=default, **how)
    return parser.parse_args(words)


def fuzz(*words: str) -> int:
    """Run all fuzz tests in rounds, until the minutes are over or one fails."""
    asked = parse(words, minutes=10.0, seed=random.randrange(10**6), examples=500)
    end, seed, failed = time.monotonic() + 60 * asked.minutes, asked.seed, False
    env = {"FUZZ_EXAMPLES": str(asked.examples)}
    env |= {"MEMO_STACK": "fuzz", "MEMO_UNITS": "fuzz"}
    with jobs.stacks("fuzz"):
        while not failed and (seed == asked.seed or time.monotonic() < end):
            again = f"--minutes 0 --seed {seed} --examples {asked.examples}"
            print(f"== fuzz {again}", flush=True)
            more = ("-q", "-m", "fuzz", f"--hypothesis-seed={seed}")
            env["FUZZ_SEED"] = str(seed)
            for name in ("shared", "system", *SERVICES):
                failed |= bool(python("deploy", name, *more, env=env))
            seed += 1
    return int(failed)


def model(*words: str) -> int:
    """Test sessions against the model of their design."""
    seed = random.randrange(2**32)
    asked = parse(words, rules=50_000, seed=seed, faults=False)
    env = {"MODEL_RULES": str(asked.rules), "MODEL_SEED": str(asked.seed)}
    env |= {"MODEL_FAULTS": "all"} if asked.faults else {}
    env |= {VERIFY: "1", "MEMO_UNITS": MAIN, "MEMO_STACK": MAIN}
    tests = {
        "auth": "tests/model",
        "system": "deploy/tests/system/sessions/test_model.py",
    }
    with jobs.stacks(MAIN):
        found = [python("deploy", *words, "-s", env=env) for words in tests.items()]
    return int(any(found))


def mutate(*words: str) -> int:
    """Whether the tests of docs/security notice a change of the code."""
    chosen = mutations.choose(words)  # before a stack is started for it
    with jobs.stacks(UNITS):
        return mutations.try_all(chosen)


def chaos(*words: str) -> int:
    """Run clients while servers fail."""
    asked = parse(words, minutes=10.0, seed=random.randrange(10**6))
    numbers = str(asked.minutes), str(asked.seed)
    with jobs.stacks("chaos"):
        return python("deploy.tests.chaos", *numbers, env={"MEMO_STACK": "chaos"})


def bench(*words: str) -> int:
    """Measure our services next to others, on a stack of the bench's own."""
    wrk = server_binaries.tool(layouts.of(suites.MAIN), server_binaries.WRK)
    return python("bench", *words, env={"BENCH_WRK": wrk})


def audit(*words: str) -> int:
    """Look for known vulnerabilities of the pinned packages. If the database has none
    of an old Django, it is of no use: the audit is skipped, with exit status 77."""
    control = RUN / "tmp" / "control.txt"
    control.write_text("django==2.0\n")
    old = [sys.executable, "-m", *PIP_AUDIT, *words, "--no-deps", "-r", str(control)]
    if b"django" in subprocess.run(old, capture_output=True, check=False).stdout:
        pins = ("--require-hashes", "-r", "requirements/dev.txt")
        return python(*PIP_AUDIT, *words, *pins)
    print(NOT_AUDITED)
    return jobs.SKIPPED


COMMANDS: dict[str, Callable[..., int]] = {
    "test": test,
    "verify": verify,
    "fuzz": fuzz,
    "model": model,
    "mutate": mutate,
    "chaos": chaos,
    "bench": bench,
    "attack": partial(python, "deploy.tests.attack"),
    "audit": audit,
    "sbom": partial(python, *SBOM),
}


def main(name: str, *words: str) -> int:
    """Run one command and return its exit status."""
    os.umask(0o022)  # As in a user's shell. `up` has a private one.
    for each in ("GATEWAY", *map(str.upper, SERVICES)):  # meant for the stack of `up`
        os.environ.pop(f"{each}_PORT", None)
    (RUN / "tmp").mkdir(exist_ok=True)
    jobs.handle_interruptions()
    try:
        return COMMANDS.get(name, partial(suites.run, name))(*words)
    except Problem as problem:
        print(f"memo: {problem}", file=sys.stderr)
        return problem.code


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
