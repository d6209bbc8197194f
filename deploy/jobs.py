"""Suites and proofs as processes, on stacks that are up while they run.

An interruption ends the run at once. Its stacks then stop in the background.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from pathlib import Path

from deploy.tests.stack import ROOT, System

SKIPPED = 77  # as in automake: neither passed nor failed
VERDICTS = {0: "passed", SKIPPED: "SKIPPED"}

Result = tuple[str, int, float]  # name, exit status, seconds
# However this process ends, the kernel then interrupts the processes that it started.
TIED = ("/usr/bin/setpriv", "--pdeathsig=INT")

_stacks: set[str] = set()


def timed(name: str, *words: str, quiet: bool = False) -> Result:
    """Run a suite or a proof. If quiet, its output is shown in one piece at the end."""
    log = ROOT / ".run" / "tmp" / f"{name}.out" if quiet else None
    print(f"== {name}{f': output in {log}' if log else ''}", flush=True)
    begun = time.monotonic()
    status = python("deploy", name, *words, log=log)
    if log:
        text = log.read_text(encoding="utf-8", errors="replace").rstrip()
        print(f"== {name}: {VERDICTS.get(status, 'FAILED')}\n{text}", flush=True)
    return name, status, time.monotonic() - begun


def report(results: Sequence[Result]) -> int:
    """Print the table of all suites, and return the exit status of the run."""
    print("== summary")
    for name, status, seconds in results:
        print(f"  {name:<12} {VERDICTS.get(status, 'FAILED'):<7} {seconds:6.1f} s")
    return int(any(status not in VERDICTS for _, status, _ in results))


def python(*words: str, env: Mapping[str, str] = {}, log: Path | None = None) -> int:
    """Run `python -m` with these words, and return its exit status."""
    return call([sys.executable, "-m", *words], {**os.environ, **env}, log)


def call(
    command: Sequence[str],
    env: Mapping[str, str],
    log: Path | None = None,
    cwd: Path = ROOT,
) -> int:
    """Run a command, kill the rest of its process group, and return its exit status."""
    with log.open("wb") if log else nullcontext() as output:
        process = subprocess.Popen(
            [*TIED, *command],
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output and subprocess.STDOUT,
            start_new_session=True,
        )
    status = process.wait()
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    return status


@contextmanager
def stacks(*names: str) -> Iterator[None]:
    """Start these stacks, and stop them afterwards. A stack has one run at a time."""
    with ExitStack() as held:
        for name in names:
            lock = held.enter_context((ROOT / ".run" / f"suites-{name}.lock").open("w"))
            fcntl.flock(lock, fcntl.LOCK_EX)
            _stacks.add(name)
            held.callback(_stacks.discard, name)
            held.callback(System(name).run, "down")
            System(name).up()
        yield


def handle_interruptions() -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, _interrupted)


def _interrupted(_number: int, _frame: object) -> None:
    for stack in _stacks:
        command, env = ["./manage_all.sh", "down"], {**os.environ, "MEMO_STACK": stack}
        subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True)
    print("memo: interrupted; its stacks stop now", file=sys.stderr, flush=True)
    os._exit(130)
