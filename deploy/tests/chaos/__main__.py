"""`./manage_all.sh chaos`: users at work while things break; docs/testing.md."""

import argparse
import os
import random
import sys
import time

from deploy.tests.chaos.faults import Fault, catalogue
from deploy.tests.chaos.run import Run
from deploy.tests.chaos.stack import ChaosStack


def main() -> int:
    options = read_options()
    faults = chosen(options.only)
    with ChaosStack(os.environ["MEMO_STACK"]).linked() as stack:
        run = Run(stack, options.seed)
        with run:
            run.break_until(time.monotonic() + 60 * options.minutes, 6, faults)
    print(f"seed {options.seed}\n{run.summary()}")
    return 1 if run.violations else 0


def chosen(words: list[str]) -> list[Fault]:
    """All faults, or those in whose name one of the words is."""
    found = catalogue()
    if words:
        found = [each for each in found if any(word in each.name for word in words)]
    if not found:
        names = "\n  ".join(each.name for each in catalogue())
        sys.exit(f"No fault has {' or '.join(words)} in its name:\n  {names}")
    return found


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./manage_all.sh chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    help = "only faults with one of these in their names"
    parser.add_argument("--only", nargs="+", metavar="WORD", default=[], help=help)
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
