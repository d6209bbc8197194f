"""`./manage_all.sh fuzz`: the tests that fuzz, by chance, for as long as one likes."""

import argparse
import secrets
import time
from collections.abc import Sequence

from . import checks, lifecycle, virtualenv
from . import layout as layouts
from .files import locked
from .layout import Layout
from .problems import FAILED, USAGE, Problem
from .services import discover
from .suites import Maker

STACK = "fuzz"
USAGE_TEXT = "fuzz [--minutes N] [--seed N] [--examples N]"
NOTHING_TO_DO = 5  # pytest's exit status for a suite that has none of these tests


def run(primary: Layout, arguments: Sequence[str]) -> int:
    """Rounds of all tests that fuzz, each with the next seed, until the minutes are
    over or one fails. Exit status 0 only when none did."""
    asked = parse(arguments)
    layout = layouts.of(primary.root, primary.stack or STACK)
    services = discover(layout.root)
    checks.prepare(layout, virtualenv.DEV)
    with locked(layout.state / "test.lock", "memo: another test run; waiting ..."):
        try:
            lifecycle.up(layout)
            return rounds(layout, Maker(layout, services), asked)
        finally:
            lifecycle.down(layout)


def parse(arguments: Sequence[str]) -> argparse.Namespace:
    """Minutes, seed and examples. Raises Problem."""
    parser = argparse.ArgumentParser(exit_on_error=False, add_help=False)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=secrets.randbelow(10**6))
    parser.add_argument("--examples", type=int, default=500)
    try:
        found, unknown = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise Problem(str(error), hint=USAGE_TEXT, code=USAGE) from error
    if unknown or found.examples < 1:
        raise Problem(f"Not known: {' '.join(unknown)}", hint=USAGE_TEXT, code=USAGE)
    return found


def rounds(layout: Layout, make: Maker, asked: argparse.Namespace) -> int:
    """At least one round. Tells how many there were, and how to have the last again."""
    begun, done, seed = time.monotonic(), 0, asked.seed
    failed = False
    while not failed and (not done or time.monotonic() - begun < asked.minutes * 60):
        seed = asked.seed + done
        print(f"== round {done + 1}, seed {seed}", flush=True)
        statuses = [checks.wait(step) for step in make.fuzz(seed, asked.examples)]
        failed = not {0, NOTHING_TO_DO}.issuperset(statuses)
        done += 1
    minutes = (time.monotonic() - begun) / 60
    print(f"== {done} rounds of {asked.examples} examples, {minutes:.1f} minutes")
    if failed:
        again = f"fuzz --minutes 0 --seed {seed} --examples {asked.examples}"
        print(f"FAILED. Again: {layout.command} {again}")
    return FAILED if failed else 0
