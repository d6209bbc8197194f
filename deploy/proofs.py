"""Sessions of noxfile.py that take as long as they are given: fuzzing, the model of
sessions, mutations, chaos, attacks, the bench. And what is known of the packages."""

import argparse
import os
import random
import subprocess
import sys
import time
from pathlib import Path

import nox

from deploy import jobs
from deploy.mutations import __main__ as mutations
from deploy.suites import MAIN, RUN, SERVICES, UNITS, environment, tool

# Those of `verify`, each with its words.
ALL = {
    "mutate": ["--all"],
    "fuzz": ["--minutes", "10"],
    "model": ["--faults"],
    "chaos": ["--minutes", "10"],
    "bench": ["--opponents", "--rounds", "1", "--seconds", "1"],
}
PIP_AUDIT = [sys.executable, "-m", "pip_audit", "--disable-pip", "--strict"]
PIP_AUDIT += ["--progress-spinner", "off", "--cache-dir", str(RUN / "cache/pip-audit")]
NOT_AUDITED = """\
memo: NOT AUDITED: no database of vulnerabilities answers from here.
  Try again from a network that reaches one, or name a mirror: audit --osv-url URL"""


@nox.session
def fuzz(session: nox.Session) -> None:
    """Rounds of all tests that fuzz, until the minutes are over or one fails."""
    parser = argparse.ArgumentParser("./manage_all.sh fuzz")
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--examples", type=int, default=500)
    asked = parser.parse_args(session.posargs)
    end, seed, failed = time.monotonic() + 60 * asked.minutes, asked.seed, False
    env = {"FUZZ_EXAMPLES": str(asked.examples), "MEMO_STACK": "fuzz"}
    env["MEMO_UNITS"] = "fuzz"
    names = ("shared", "gateway", "system", *SERVICES)
    with jobs.stacks("fuzz"):
        while not failed and (seed == asked.seed or time.monotonic() < end):
            print(f"== seed {seed}", flush=True)
            words = ("-q", "-m", "fuzz", f"--hypothesis-seed={seed}")
            env["FUZZ_SEED"] = str(seed)
            failed = sum(jobs.session(name, *words, env=env) for name in names) != 0
            seed += 1
    again = f"--minutes 0 --seed {seed - 1} --examples {asked.examples}"
    print(f"== {seed - asked.seed} rounds; the last again: fuzz {again}")
    sys.exit(int(failed))


@nox.session
def model(session: nox.Session) -> None:
    """The sessions against the model of their design."""
    parser = argparse.ArgumentParser("./manage_all.sh model")
    parser.add_argument("--rules", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))
    parser.add_argument("--faults", action="store_true")
    asked = parser.parse_args(session.posargs)
    env = {"MODEL_RULES": str(asked.rules), "MODEL_SEED": str(asked.seed)}
    env |= {"MODEL_FAULTS": "all"} if asked.faults else {}
    env |= {jobs.VERIFY: "1", "MEMO_UNITS": MAIN}
    suites = {"auth": "tests/model", "system": "deploy/tests/system/test_model.py"}
    with jobs.stacks(MAIN):
        found = [jobs.session(name, "-s", x, env=env) for name, x in suites.items()]
    sys.exit(int(any(found)))


@nox.session
def mutate(session: nox.Session) -> None:
    """Whether the tests of docs/security notice a change of the code."""
    mutations.parse(session.posargs)  # before a stack is started for it
    with jobs.stacks(UNITS):
        sys.exit(jobs.session("security", *session.posargs))


@nox.session
def chaos(session: nox.Session) -> None:
    """Clients at work while servers fail."""
    alone = {"--help", "-h"} & {*session.posargs}
    command = [sys.executable, "-m", "deploy.tests.chaos", *session.posargs]
    with jobs.stacks(*([] if alone else ["chaos"])):
        sys.exit(jobs.call(command, environment("chaos")))


@nox.session
def bench(session: nox.Session) -> None:
    """Our services next to others, on a stack of the bench's own."""
    command = [sys.executable, "-m", "bench", *session.posargs]
    sys.exit(jobs.call(command, {**os.environ, "BENCH_WRK": tool("WRK")}))


@nox.session
def attack(session: nox.Session) -> None:
    """Attacks on a deployment, by its URL, or on the stack that runs."""
    command = [sys.executable, "-m", "deploy.tests.attack", *session.posargs]
    sys.exit(jobs.call(command, environment(os.environ.get("MEMO_STACK", ""))))


@nox.session
def sbom(session: nox.Session) -> None:
    """What a deployment is made of, as CycloneDX, to a file or the terminal."""
    [name] = session.posargs or ["-"]
    caller = os.environ.get("MEMO_CALLER_DIR", "")
    target = name if name == "-" else str(Path(caller, name))
    words = ("requirements", "requirements/runtime.txt", "--output-reproducible")
    options = ("--pyproject", "pyproject.toml", "--spec-version", "1.6", "-o", target)
    command = [sys.executable, "-m", "cyclonedx_py", *words, *options]
    sys.exit(jobs.call(command, os.environ))


@nox.session
def audit(session: nox.Session) -> None:
    """Known vulnerabilities of the pinned packages. A database that knows none of an
    old Django is no database: the audit is skipped, with exit status 77."""
    parser = argparse.ArgumentParser("./manage_all.sh audit")
    parser.add_argument("--osv-url")
    url = parser.parse_args(session.posargs).osv_url
    control = RUN / "tmp" / "control.txt"
    control.parent.mkdir(exist_ok=True)
    control.write_text("django==2.0\n")
    for source in [["osv", "--osv-url", url]] if url else [["pypi"], ["osv"]]:
        ask = [*PIP_AUDIT, "-s", *source]
        known = [*ask, "--no-deps", "-r", str(control)]
        found = subprocess.run(known, capture_output=True, text=True, check=False)
        if "django" in found.stdout:
            pins = ("--require-hashes", "-r", "requirements/dev.txt")
            sys.exit(subprocess.run([*ask, *pins], check=False).returncode)
    print(NOT_AUDITED)
    sys.exit(jobs.SKIPPED)
