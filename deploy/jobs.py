"""How noxfile.py runs many sessions: two jobs at once, each on stacks of its own.

An interruption ends the run at once. What it started then stops in the background.
"""

import fcntl
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager, nullcontext, suppress
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType

from deploy.tests.stack import ROOT, System

AT_ONCE = 2
UNITS = os.environ.get("MEMO_UNITS") or "units"
VERIFY = "MEMO_VERIFY"  # set: tests with the marker `verify` run too
# A suite may have no test that fuzzes, which is pytest's exit status 5.
GOOD = (0, 5) if "FUZZ_EXAMPLES" in os.environ else (0,)
SKIPPED = 77  # as automake has it: neither passed nor failed
VERDICTS = {0: "passed", SKIPPED: "SKIPPED"}
# Sessions that run one after the other, and the stacks they need.
Jobs = Mapping[tuple[str, ...], Sequence[str]]

_children: set[subprocess.Popen[bytes]] = set()
_stacks: set[str] = set()


@dataclass(frozen=True)
class Result:
    name: str
    status: int
    seconds: float

    @property
    def verdict(self) -> str:
        return VERDICTS.get(self.status, "FAILED")


def run(jobs: Jobs, names: Sequence[str], *words: str) -> list[Result]:
    """The named suites. The output of one alone is shown as it comes."""
    (ROOT / ".run" / "tmp").mkdir(exist_ok=True)
    System(UNITS).configure()  # Checks read settings, too.
    chosen = {tuple(n for n in job if n in names): jobs[job] for job in jobs}
    chosen.pop((), None)

    def run_job(job: tuple[str, ...]) -> list[Result]:
        with stacks(*chosen[job]):
            return [run_suite(name, *words, quiet=len(names) > 1) for name in job]

    with ThreadPoolExecutor(AT_ONCE) as pool:
        return [result for results in pool.map(run_job, chosen) for result in results]


def run_suite(name: str, *words: str, quiet: bool = False) -> Result:
    """A quiet suite prints into a file, which is shown in one piece at the end."""
    log = ROOT / ".run" / "tmp" / f"{name}.out" if quiet else None
    print(f"== {name}{f': output in {log}' if log else ''}", flush=True)
    begun = time.monotonic()
    result = Result(name, session(name, *words, log=log), time.monotonic() - begun)
    if log:
        text = log.read_text(encoding="utf-8", errors="replace").rstrip()
        print(f"== {name}: {result.verdict}\n{text}", flush=True)
    return result


def report(results: Sequence[Result]) -> int:
    """The table of all suites; the exit status of the run."""
    print("== summary")
    for result in results:
        print(f"  {result.name:<12} {result.verdict:<7} {result.seconds:6.1f} s")
    return 1 if any(result.verdict == "FAILED" for result in results) else 0


def session(
    name: str,
    *words: str,
    log: Path | None = None,
    env: Mapping[str, str] = MappingProxyType({}),
) -> int:
    """The exit status of a session of noxfile.py in a process of its own."""
    file = str(ROOT / "noxfile.py")
    command = [sys.executable, "-m", "nox", "-f", file, "-s", name, "--", *words]
    return call(command, {**os.environ, **env}, log)


def call(
    command: Sequence[str],
    env: Mapping[str, str],
    log: Path | None = None,
    cwd: Path = ROOT,
    seconds: float | None = None,
) -> int:
    """The exit status of a command, in a process group of its own, of which nothing is
    left. It has so many seconds."""
    with log.open("wb") if log else nullcontext() as output:
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env=env,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output and subprocess.STDOUT,
            start_new_session=True,
        )
    _children.add(process)
    with suppress(subprocess.TimeoutExpired):
        process.wait(seconds)
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
    _children.discard(process)
    return process.wait()


@contextmanager
def stacks(*names: str) -> Iterator[None]:
    """These stacks, up, and stopped afterwards. A stack has one run at a time."""
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
    for child in _children:
        os.killpg(child.pid, signal.SIGINT)
    for stack in _stacks:
        command, env = ["./manage_all.sh", "down"], {**os.environ, "MEMO_STACK": stack}
        subprocess.Popen(command, cwd=ROOT, env=env, start_new_session=True)
    print("memo: interrupted; what was started stops now", file=sys.stderr, flush=True)
    os._exit(130)
