"""Proofs that take as long as they are given: fuzzing, the model, mutations, chaos,
attacks, the bench. And what is known of the packages."""

import argparse
import os
import random
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from deploy import jobs, suites
from deploy.mutations import __main__ as mutations
from deploy.suites import MAIN, ROOT, RUN, SERVICES, UNITS, environment

PIP_AUDIT = [sys.executable, "-m", "pip_audit", "--disable-pip", "--strict"]
PIP_AUDIT += ["--progress-spinner", "off", "--cache-dir", str(RUN / "cache/pip-audit")]
NOT_AUDITED = """\
memo: NOT AUDITED: no database of vulnerabilities answers from here.
  Try again from a network that reaches one, or name a mirror: audit --osv-url URL"""


def parse(
    name: str, words: Sequence[str], **options: float | str | bool
) -> argparse.Namespace:
    """The options of a proof, by their defaults."""
    parser = argparse.ArgumentParser(f"./manage_all.sh {name}")
    for option, default in options.items():
        if default is False:
            parser.add_argument(f"--{option}", action="store_true")
        else:
            parser.add_argument(f"--{option}", type=type(default), default=default)
    return parser.parse_args(words)


def module(*words: str, stack: str = "", **env: str) -> int:
    """The exit status of `python -m` with these words."""
    command = [sys.executable, "-m", *words]
    return jobs.call(command, {**environment(stack), **env})


def fuzz(*words: str) -> int:
    """Rounds of all tests that fuzz, until the minutes are over or one fails."""
    seed = random.randrange(10**6)
    asked = parse("fuzz", words, minutes=10.0, seed=seed, examples=500)
    end, seed, failed = time.monotonic() + 60 * asked.minutes, asked.seed, False
    env = {"FUZZ_EXAMPLES": str(asked.examples), "MEMO_STACK": "fuzz"}
    env["MEMO_UNITS"] = "fuzz"
    with jobs.stacks("fuzz"):
        while not failed and (seed == asked.seed or time.monotonic() < end):
            print(f"== seed {seed}", flush=True)
            more = ("-q", "-m", "fuzz", f"--hypothesis-seed={seed}")
            env["FUZZ_SEED"] = str(seed)
            for name in ("shared", "gateway", "system", *SERVICES):
                failed |= bool(module("deploy", name, *more, **env))
            seed += 1
    again = f"--minutes 0 --seed {seed - 1} --examples {asked.examples}"
    print(f"== {seed - asked.seed} rounds; the last again: fuzz {again}")
    return int(failed)


def model(*words: str) -> int:
    """The sessions against the model of their design."""
    seed = random.randrange(2**32)
    asked = parse("model", words, rules=50_000, seed=seed, faults=False)
    env = {"MODEL_RULES": str(asked.rules), "MODEL_SEED": str(asked.seed)}
    env |= {"MODEL_FAULTS": "all"} if asked.faults else {}
    env |= {suites.VERIFY: "1", "MEMO_UNITS": MAIN, "MEMO_STACK": MAIN}
    tests = {"auth": "tests/model", "system": "deploy/tests/system/test_model.py"}
    with jobs.stacks(MAIN):
        found = [module("deploy", x, "-s", path, **env) for x, path in tests.items()]
    return int(any(found))


def mutate(*words: str) -> int:
    """Whether the tests of docs/security notice a change of the code."""
    mutations.parse(words)  # before a stack is started for it
    with jobs.stacks(UNITS):
        return suites.run("security", *words)


def chaos(*words: str) -> int:
    """Clients at work while servers fail."""
    alone = {"--help", "-h"} & {*words}
    with jobs.stacks(*([] if alone else ["chaos"])):
        return module("deploy.tests.chaos", *words, stack="chaos")


def bench(*words: str) -> int:
    """Our services next to others, on a stack of the bench's own."""
    command = [sys.executable, "-m", "bench", *words]
    return jobs.call(command, {**os.environ, "BENCH_WRK": suites.tool("WRK")})


def attack(*words: str) -> int:
    """Attacks on a deployment, by its URL, or on the stack that runs."""
    stack = os.environ.get("MEMO_STACK", "")
    caller = os.environ.get("MEMO_CALLER_DIR", "")
    return module("deploy.tests.attack", *words, stack=stack, MEMO_CALLER_DIR=caller)


def sbom(name: str = "-") -> int:
    """What a deployment is made of, as CycloneDX, to a file or the terminal."""
    target = name
    if name != "-":
        target = str(Path(os.environ.get("MEMO_CALLER_DIR", ""), name))
    options = ("--pyproject", "pyproject.toml", "--spec-version", "1.6")
    more = ("--output-reproducible", *options, "-o", target)
    return module("cyclonedx_py", "requirements", "requirements/runtime.txt", *more)


def audit(*words: str) -> int:
    """Known vulnerabilities of the pinned packages. A database that knows none of an
    old Django is no database: the audit is skipped, with exit status 77."""
    url = vars(parse("audit", words, **{"osv-url": ""}))["osv_url"]
    control = RUN / "tmp" / "control.txt"
    control.parent.mkdir(exist_ok=True)
    control.write_text("django==2.0\n")
    for source in [["osv", "--osv-url", url]] if url else [["pypi"], ["osv"]]:
        ask = [*PIP_AUDIT, "-s", *source]
        known = [*ask, "--no-deps", "-r", str(control)]
        found = subprocess.run(known, capture_output=True, text=True, check=False)
        if "django" in found.stdout:
            pins = ("--require-hashes", "-r", "requirements/dev.txt")
            return subprocess.run([*ask, *pins], cwd=ROOT, check=False).returncode
    print(NOT_AUDITED)
    return jobs.SKIPPED
