"""`./manage_all.sh bench [part ...]`: measures, keeps the figures, and reports."""

import argparse
import json
import sys
from collections.abc import Iterator
from typing import Any

from . import overload, paths, report, rest, scale
from .rounds import Plan
from .stack import Stack

PARTS = ("rest", "paths", "overload", "scale")


def main() -> None:
    options = read_options()
    stack = Stack()
    kept = stack.folder / "results.json"
    results: dict[str, Any] = json.loads(kept.read_text()) if kept.exists() else {}
    for part in options.parts or PARTS:
        print(f"== {part}", file=sys.stderr, flush=True)
        for found in measure(part, stack, options):
            # What was measured stays, should the rest fail.
            results[part] = found
            kept.write_text(json.dumps(results, indent=1))
    report.write(results, stack.folder)


def measure(
    part: str, stack: Stack, options: argparse.Namespace
) -> Iterator[dict[str, Any]]:
    """The figures of a part, as far as there are any yet."""
    if part == "rest":
        yield rest.measure(stack)
    elif part == "overload":
        yield overload.measure(stack)
    elif part == "scale":
        yield scale.measure(stack, options.people)
    else:
        plan = Plan(options.rounds, options.seconds)
        yield from paths.measure(stack, options.path, plan, options.connections)


def read_options() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        prog="./manage_all.sh bench",
        description="Our services beside others, on this machine. All of it takes about"
        " an hour; docs/performance.md tells what is measured.",
    )
    parser.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    parser.add_argument("--path", nargs="*", default=paths.PATHS, metavar="PATH")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--seconds", type=float, default=2)
    parser.add_argument("--connections", type=int, nargs="*", default=paths.CONNECTIONS)
    parser.add_argument("--people", type=int, nargs="*", default=scale.SIZES)
    options = parser.parse_args()
    if unknown := set(options.parts) - set(PARTS) | set(options.path) - set(
        paths.PATHS
    ):
        parser.error(f"there is no {', '.join(sorted(unknown))}")
    return options


main()
