"""`./manage_all.sh chaos`: see `--help` and docs/chaos.md."""

import argparse
import os
import random
import shlex
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import ExitStack
from pathlib import Path

from . import clocks, faults, report
from .rig import Rig, Stack
from .run import Run
from .schedule import break_until
from .target import Act, Target
from .timeline import Timeline


def main() -> int:
    options = read_options()
    run = by_url(options) if options.url else on_our_stack(options)
    print(report.text(run))
    return 1 if run.violations else 0


def on_our_stack(options: argparse.Namespace) -> Run:
    """Load, faults, and the checker, on a native stack of this checkout."""
    stack = Stack(os.environ["MEMO_STACK"])
    rng = random.Random(options.seed)
    with ExitStack() as held:
        rig = held.enter_context(Rig(stack, rng))
        run = run_on(rig, options.seed, options.people, options.rate)
        chosen = choose(stack, options.only)
        stage = faults.Stage(rig, run.ledger, rng)
        held.enter_context(run)
        end = time.monotonic() + 60 * options.minutes
        time.sleep(2)
        break_until(
            end,
            options.every,
            chosen,
            stage,
            run.target,
            run.timeline,
            run.checker,
            sayer(),
        )
        rig.pass_all()
    return run


def run_on(rig: Rig, seed: int, people: int, rate: float) -> Run:
    stack = rig.stack
    target = Target(
        rig.url,
        stack.auth_url,
        lambda: stack.api_key("auth"),
        {
            "deactivate": command(stack, "deactivateuser"),
            "activate": command(stack, "activateuser"),
        },
    )
    return Run(target, seed, people, rate, lambda sid: row_of(stack, sid))


def command(stack: Stack, name: str) -> Act:
    """A command of manage.py, as an operator calls it."""

    def act(email: str) -> bool:
        words = ["./manage_all.sh", "users", name, email]
        return succeeds(words, {"MEMO_STACK": stack.stack})

    return act


def succeeds(words: list[str], more: dict[str, str] | None = None) -> bool:
    env = {**os.environ, **(more or {})}
    root = Path(__file__).resolve().parents[3]
    done = subprocess.run(words, cwd=root, env=env, capture_output=True, check=False)
    return done.returncode == 0


def row_of(stack: Stack, sid: str) -> str:
    """What the database says of a session, for its story."""
    if not sid:
        return ""
    sql = (
        "SELECT revoked_at, revoked_reason, rotated_at, user_epoch FROM tokens_session"
        " WHERE id = %s"
    )
    return f"its row: {stack.query('auth', sql, sid)}"


def choose(stack: Stack, only: list[str]) -> list[faults.Fault]:
    """All faults, or those in whose name one of these words is."""
    found = faults.catalogue()
    if only:
        found = [each for each in found if any(word in each.name for word in only)]
    if reason := clocks.why_not(stack.layout):
        print(f"LEFT OUT: faults of the clock. {reason}", file=sys.stderr)
        found = [each for each in found if not each.name.startswith("clock")]
    return found


def sayer() -> Callable[[str], None]:
    begun = time.monotonic()

    def say(text: str) -> None:
        print(f"{time.monotonic() - begun:7.1f}  {text}", file=sys.stderr, flush=True)

    return say


def by_url(options: argparse.Namespace) -> Run:
    """Load and checker alone: the faults are yours to make."""
    key = (
        Path(options.service_key_file).read_text().strip()
        if options.service_key_file
        else ""
    )
    verifies = bool(options.auth_url and key)
    operator: dict[str, Act] = {}
    if options.deactivate and options.activate:
        for act in ("deactivate", "activate"):
            words = shlex.split(getattr(options, act))
            operator[act] = lambda email, w=words: succeeds(
                [x.replace("{}", email) for x in w]
            )
    for missing, what in (
        (True, "faults: make them yourself, meanwhile. Recovery is not measured"),
        (not verifies, "verify_token: --auth-url and --service-key-file"),
        (not operator, "operators: --deactivate and --activate"),
    ):
        if missing:
            print(f"LEFT OUT: {what}", file=sys.stderr)
    auth_url = options.auth_url.rstrip("/") if verifies else ""
    target = Target(options.url.rstrip("/"), auth_url, lambda: key, operator)
    run = Run(
        target,
        options.seed,
        options.people,
        options.rate,
        timeline=Timeline(blind=True),
    )
    with run:
        time.sleep(60 * options.minutes)
    return run


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="./manage_all.sh chaos", description=__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--seed", type=int, default=random.randrange(10**6))
    parser.add_argument("--every", type=float, default=6)
    parser.add_argument("--people", type=int, default=10)
    parser.add_argument("--rate", type=float, default=15)
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--url", default="")
    parser.add_argument("--auth-url", default="")
    parser.add_argument("--service-key-file", default="")
    parser.add_argument("--deactivate", default="")
    parser.add_argument("--activate", default="")
    return parser.parse_args()


if __name__ == "__main__":
    sys.exit(main())
