"""The clock of one service set wrong while it works, by libfaketime.

The service stands in for itself: the supervisor holds it, and the same program runs with
a clock that follows a file. The steps are within JWT_LEEWAY, 10 s: what is allowed
between two clocks. Monotonic clocks stay as they are, as they do in a real step.
"""

import os
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from native import apt, control, plan
from native.layout import Layout
from native.programs import base_env

if TYPE_CHECKING:
    from .faults import Stage

FAST, SLOW = +7, -7  # seconds
SEEN = 1.5  # seconds after which a step is seen everywhere


@contextmanager
def stepped(service: str, seconds: int, stage: "Stage") -> Iterator[None]:
    layout = stage.rig.stack.layout
    step = layout.state / f"clock-{service}"
    step.write_text("+0")
    spec = next(s for s in plan.load(layout.plan).processes if s.name == service)
    environment = {
        **spec.env,
        "LD_PRELOAD": str(library(layout)),
        "FAKETIME_TIMESTAMP_FILE": str(step),
        "FAKETIME_CACHE_DURATION": "1",
        "FAKETIME_DONT_FAKE_MONOTONIC": "1",
    }
    with control.holding(layout, [service]):
        with Path(spec.log).open("ab") as log:
            process = subprocess.Popen(
                spec.command, env=environment, cwd=spec.cwd, stdout=log, stderr=log
            )
        try:
            stage.rig.stack.wait_for(service)
            step.write_text(f"{seconds:+d}")
            time.sleep(SEEN)
            yield
            step.write_text("+0")  # back in a step, too
            time.sleep(SEEN)
        finally:
            process.terminate()
            process.wait(30)
            step.unlink()
    stage.rig.stack.run("start", service)


@cache
def library(layout: Layout) -> Path:
    """libfaketime's, unpacked from Debian's package. Raises Problem."""
    folder = layout.cache / "faketime"
    if not (found := search(folder)):
        apt.unpack(folder, [["libfaketime"]], base_env(layout))
        found = search(folder)
    return found[0]


def search(folder: Path) -> list[Path]:
    return sorted(folder.glob("root/usr/lib/*/faketime/libfaketimeMT.so.1"))


def why_not(layout: Layout) -> str:
    """Why no clock can be set here; empty where it can."""
    if not apt.usable() and not search(layout.cache / "faketime"):
        return "libfaketime: this machine has no apt to unpack it with"
    library(layout)
    shown = subprocess.run(
        ["date", "+%s"],
        env={**os.environ, "LD_PRELOAD": str(library(layout)), "FAKETIME": "+1000"},
        capture_output=True,
        text=True,
        check=True,
    )
    works = int(shown.stdout) > time.time() + 500
    return "" if works else "libfaketime does not change the clock here"
