"""`./manage_all.sh chaos`: users at work while things break; docs/testing.md."""

import argparse
import os
import random
import sys
import time
from contextlib import ExitStack

from deploy.tests.chaos import report
from deploy.tests.chaos.faults import Stage, choose
from deploy.tests.chaos.proxied_stack import ProxiedStack
from deploy.tests.chaos.run import Run, break_until
from deploy.tests.chaos.stack import ChaosStack
from deploy.tests.chaos.target import target_by, target_of
from deploy.tests.chaos.timeline import Timeline


def main() -> int:
    options = read_options()
    run = by_url(options) if options.url else on_our_stack(options)
    print(report.text(run))
    return 1 if run.violations else 0


def on_our_stack(options: argparse.Namespace) -> Run:
    """Load, faults, and the checker, on a native stack of this checkout."""
    stack, rng = ChaosStack(os.environ["MEMO_STACK"]), random.Random(options.seed)
    chosen = choose(stack, options.only)
    with ExitStack() as held:
        proxied = held.enter_context(ProxiedStack(stack, rng))
        run = Run(target_of(proxied), options.seed, options.users, options.rate)
        held.enter_context(run)
        until = time.monotonic() + 60 * options.minutes
        stage = Stage(proxied, run.expected, rng)
        break_until(until, options.every, chosen, stage, run, say)
    return run


def by_url(options: argparse.Namespace) -> Run:
    """Load and checker alone: the faults are yours to make."""
    target, timeline = target_by(options), Timeline(blind=True)
    with Run(
        target, options.seed, options.users, options.rate, timeline=timeline
    ) as run:
        time.sleep(60 * options.minutes)
    return run


def say(text: str) -> None:
    print(f"{time.strftime('%H:%M:%S')}  {text}", file=sys.stderr, flush=True)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./manage_all.sh chaos", description=__doc__)
    load = parser.add_argument_group("the users")
    load.add_argument("--minutes", type=float, default=10)
    load.add_argument("--users", type=int, default=10)
    load.add_argument("--rate", type=float, default=15, help="acts a second, of all")
    load.add_argument("--seed", type=int, default=random.randrange(10**6))
    ours = parser.add_argument_group("faults, on a native stack of this checkout")
    ours.add_argument("--every", type=float, metavar="SECONDS", help="default 6")
    ours.add_argument("--only", nargs="+", metavar="WORD", help="in a fault's name")
    url = parser.add_argument_group("a deployment, whose faults are yours to make")
    url.add_argument("--url", default="", help="of its gateway")
    url.add_argument("--auth-url", default="", help="of its Auth Service, for services")
    url.add_argument("--service-key-file", help="with a key that auth takes")
    url.add_argument("--deactivate", help="a command, {} for the e-mail address")
    url.add_argument("--activate", help="the same")
    options = parser.parse_args()
    refuse_faults_elsewhere(parser, options)
    return options


def refuse_faults_elsewhere(
    parser: argparse.ArgumentParser, options: argparse.Namespace
) -> None:
    """Nothing is broken but a native stack that this command has started."""
    if options.url and (options.every or options.only):
        parser.error("--every and --only are for faults, which are yours with --url")
    if not options.url and not os.environ.get("MEMO_STACK"):
        parser.error("faults need a native stack: start this by ./manage_all.sh chaos")
    options.every = options.every or 6
    options.only = options.only or []


if __name__ == "__main__":
    sys.exit(main())
