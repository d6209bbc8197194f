"""Measure our services next to others on this machine. See docs/performance.md."""

import argparse
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

from . import report
from .checkout import Checkout
from .memo import Memo
from .opponents import OPPONENTS, Contender
from .opponents.opponent import Opponent
from .rounds import Plan, compare
from .sizing import sizes

ROOT = Path(__file__).resolve().parents[1]
FOLDER = ROOT / ".run" / "bench"
PATHS = ["me", "verify_token", "refresh", "login"]


def main() -> None:
    options = read_options()
    if os.geteuid() == 0:
        raise SystemExit("bench: root may not run it. Use ./manage_all.sh bench.")
    checkouts = [Checkout(path) for path in (ROOT, *options.against)]
    with ExitStack() as stack:
        for checkout in checkouts:
            stack.callback(checkout.manage, "down")
            checkout.up()
            checkout.seed(2000)
        if options.sizes:
            print(*sizes(checkouts[0], options.sizes), sep="\n")
            return
        found = contenders(checkouts, options.opponents)
        plan = Plan(options.rounds, options.seconds, options.connections)
        for line in measure(found, options.path, plan):
            print(line, flush=True)


def contenders(checkouts: list[Checkout], chosen: list[str]) -> list[Contender]:
    """This checkout, the others, and the opponents that can be installed."""
    FOLDER.mkdir(exist_ok=True)
    ours = Memo("memo", checkouts[0])
    others = [Memo(str(each.root), each) for each in checkouts[1:]]
    opponents = [kind(ours, FOLDER) for kind in OPPONENTS if kind.name in chosen]
    able = [each for each in opponents if succeeds(each.prepare, each)]
    gateway = Memo("memo through Nginx", checkouts[0], gateway=True)
    return [ours, *others, *able, gateway]


def succeeds(act: Callable[[], None], opponent: Opponent) -> bool:
    """Whether it worked. If not, the opponent is left out, and stderr says so."""
    try:
        act()
    except (OSError, subprocess.SubprocessError) as error:
        print(f"!! {opponent.name} IS LEFT OUT: {error}", file=sys.stderr)
        return False
    return True


def measure(found: list[Contender], paths: list[str], plan: Plan) -> Iterator[str]:
    """The report. On each path, only the opponents that have an answer for it run."""
    for path in paths:
        able = [each for each in found if path in each.paths]
        with ExitStack() as stack:
            for each in [each for each in able if isinstance(each, Opponent)]:
                stack.callback(each.stop)
                if not succeeds(each.start, each):
                    able.remove(each)
            samples = compare(able, path, plan)
        yield from report.table(path, samples)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="bench", description=__doc__)
    add, names = parser.add_argument, [kind.name for kind in OPPONENTS]
    add("--path", nargs="+", default=PATHS, choices=PATHS)
    add("--opponents", nargs="*", default=names, choices=names)
    against = "other checkouts of this project, measured in the same rounds"
    add("--against", nargs="+", type=Path, default=[], metavar="DIR", help=against)
    rows = "only print the bytes of a user, a session and an event, from N of each"
    add("--sizes", type=int, default=0, metavar="N", help=rows)
    add("--rounds", type=int, default=7)
    add("--seconds", type=float, default=2, help="of a round (logins: 6 or more)")
    add("--connections", type=int, default=16)
    return parser.parse_args()


main()
