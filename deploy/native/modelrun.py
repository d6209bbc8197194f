"""`./manage_all.sh model`: the sessions against the model of their design."""

import argparse
import random
from collections.abc import Sequence

from . import checks, suites
from . import layout as layouts
from .layout import Layout
from .problems import USAGE, Problem
from .services import discover


def run(primary: Layout, arguments: Sequence[str]) -> int:
    """On the stack of the suites. Exit status 0 where there was no difference."""
    layout = layouts.of(primary.root, primary.stack or checks.STACK)
    suite = suites.model(layout, discover(layout.root), _environment(arguments))
    return checks.run_suites(layout, [suite])


def _environment(arguments: Sequence[str]) -> dict[str, str]:
    parser = argparse.ArgumentParser("./manage_all.sh model", exit_on_error=False)
    parser.add_argument("--rules", type=int, default=50_000)
    parser.add_argument("--seed", type=int, default=random.randrange(2**32))  # noqa: S311
    parser.add_argument("--faults", action="store_true")
    try:
        options, unknown = parser.parse_known_args(arguments)
    except argparse.ArgumentError as error:
        raise Problem(str(error), code=USAGE) from error
    if unknown:
        raise Problem("Usage: model [--rules N] [--seed N] [--faults]", code=USAGE)
    found = {"MODEL_RULES": str(options.rules), "MODEL_SEED": str(options.seed)}
    return {**found, "MODEL_FAULTS": "all"} if options.faults else found
