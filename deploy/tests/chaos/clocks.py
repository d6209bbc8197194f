"""The clock of one service set wrong while it works, by a library of ours (clock.c).

The service stands in for itself: the supervisor holds it, and the same program runs
with a clock that follows a file. The steps are within JWT_LEEWAY, 10 s: what is allowed
between two clocks.
"""

import os
import shutil
import socket
import struct
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from deploy.local import application, orphans, server_binaries, status
from deploy.local.layout import Layout
from deploy.local.problems import Problem

if TYPE_CHECKING:
    from deploy.tests.chaos.faults import Stage

FAST, SLOW = +7, -7  # seconds
SOURCE = Path(__file__).with_name("clock.c")


@contextmanager
def stepped(service: str, seconds: int, stage: "Stage") -> Iterator[None]:
    layout = stage.stack.layout
    step = layout.state / f"clock-{service}"
    set_to(step, 0)
    found = next(each for each in layout.services if each.name == service)
    program = application.program(layout, found)
    environment = {**program.env, **preloaded(layout, step)}
    host, _, port = program.address.rpartition(":")
    stage.stack.run("stop", service)
    with (
        (layout.logs / f"{service}-1.log").open("ab") as log,
        socket.create_server((host, int(port)), backlog=2048) as listener,
    ):
        process = subprocess.Popen(
            [*program.command, "--workers", "2"],
            env=environment,
            cwd=program.folder,
            stdin=listener,
            stdout=log,
            stderr=log,
        )
        try:
            until_it_serves(program.address, service)
            set_to(step, seconds)
            yield
            set_to(step, 0)  # back in a step, too
            time.sleep(1)
        finally:
            process.terminate()
            process.wait(30)
            step.unlink()
        # That another stood in is the trial's: what it is to recover from ends here.
        stage.lift()
    stage.stack.run("start", service)


def until_it_serves(address: str, service: str) -> None:
    if not orphans.wait_until(lambda: status.serves(address, service), 60):
        raise Problem(f"{service} does not start with another clock.")


def set_to(step: Path, seconds: int) -> None:
    """In place: programs that have mapped the file see it at once."""
    with step.open("r+b" if step.exists() else "wb") as file:
        file.write(struct.pack("@l", seconds))


def preloaded(layout: Layout, step: Path) -> dict[str, str]:
    return {"LD_PRELOAD": str(library(layout)), "CHAOS_CLOCK": str(step)}


@cache
def library(layout: Layout) -> Path:
    """Compiled again each time. Raises Problem or CalledProcessError."""
    built = layout.state / "clock.so"
    command, environment = compiler(layout)
    words = [command, "-shared", "-fPIC", "-o", str(built), str(SOURCE)]
    words.append("-nostdlib")
    subprocess.run(words, env=environment, check=True, capture_output=True, text=True)
    return built


def compiler(layout: Layout) -> tuple[str, dict[str, str]]:
    """The machine's, or Debian's smallest, unpacked. Raises Problem."""
    if found := shutil.which("cc"):
        return found, {**os.environ}
    root = layout.cache / "tcc" / "root"
    if not (root / "usr/bin/tcc").exists():
        server_binaries.unpack(layout, "tcc", ("tcc",))
    libraries = server_binaries.libraries(root)
    return str(root / "usr/bin/tcc"), {"LD_LIBRARY_PATH": libraries}


def why_not(layout: Layout) -> str:
    """Why no clock can be set here; empty where it can."""
    step = layout.state / "clock-trial"
    set_to(step, 1000)
    try:
        shown = subprocess.run(
            [
                str(layout.python),
                "-c",
                "import time; time.sleep(0); print(time.time())",
            ],
            env={**os.environ, **preloaded(layout, step)},
            capture_output=True,
            text=True,
            check=True,
        )
    except Problem as problem:
        return str(problem)
    except subprocess.CalledProcessError as error:
        return f"{error}: {error.stderr}"
    finally:
        step.unlink()
    works = float(shown.stdout) > time.time() + 500
    return "" if works else "the library changes no clock here"
