"""`./manage_all.sh chaos`: users at work while things break; docs/testing.md."""

import os
import sys
import time

from deploy.tests.chaos.faults import catalogue
from deploy.tests.chaos.run import Run
from deploy.tests.chaos.stack import ChaosStack


def main(minutes: float, seed: int) -> int:
    chaos = ChaosStack(os.environ["MEMO_STACK"])
    with chaos.linked() as stack, Run(stack, seed) as run:
        run.break_until(time.monotonic() + 60 * minutes, catalogue())
    print(f"seed {seed}\n{run.summary()}")
    return 1 if run.violations else 0


if __name__ == "__main__":
    sys.exit(main(float(sys.argv[1]), int(sys.argv[2])))
