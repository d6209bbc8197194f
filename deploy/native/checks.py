"""`./manage_all.sh test`: every check and suite, on a stack of their own."""

import os
import runpy
import signal
import subprocess
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from . import audit, lifecycle, virtualenv
from . import layout as layouts
from .envfiles import Setting, complete
from .files import locked, read_text, write_private
from .layout import Layout
from .problems import FAILED, USAGE, Problem
from .services import Service, discover
from .suites import Maker, Step, Suite, all_suites

STACK = "test"
AT_ONCE = 2
# Suites find what they would find in a person's shell, not our private umask.
UMASK = 0o022
# Suites send bursts that no person would; limits are tested apart, at low values.
RATES = {
    "LOGIN": ("60000r/m", "10000"),
    "REGISTER": ("60000r/m", "10000"),
    "REFRESH": ("60000r/m", "10000"),
    "API": ("10000r/s", "10000"),
}


@dataclass(frozen=True)
class Result:
    name: str
    statuses: list[int]
    seconds: float

    @property
    def passed(self) -> bool:
        return not set(self.statuses) - {0, audit.SKIPPED}

    @property
    def verdict(self) -> str:
        if not self.passed:
            return "FAILED"
        return "SKIPPED" if any(self.statuses) else "passed"


def run(primary: Layout, names: Sequence[str]) -> int:
    """The named suites, or all."""
    layout = layouts.of(primary.root, primary.stack or STACK)
    return run_suites(layout, _choose(all_suites(layout, discover(layout.root)), names))


def run_suites(layout: Layout, chosen: Sequence[Suite]) -> int:
    """These, with all they need. Exit status 0 only when every one passed."""
    prepare(layout, virtualenv.DEV)
    results = _run_at_once([suite for suite in chosen if _is_static(suite)])
    results += _run_on_the_stack(layout, [each for each in chosen if each.needs_stack])
    results += [_run_live(suite) for suite in chosen if suite.name == "native"]
    return _report(results)


def mutate(primary: Layout, words: Sequence[str]) -> int:
    """The suite `security` with these words: which of the kept mutations to try."""
    layout = layouts.of(primary.root, primary.stack or STACK)
    make = Maker(layout, discover(layout.root))
    suite = Suite("security", lambda: make.security(*words), needs_stack=True)
    return run_suites(layout, [suite])


def prepare(layout: Layout, needs: str, *more: Setting) -> None:
    """A stack beside the one of the person: packages, settings, no limit that a suite
    or a run would meet. `more` is for its gateway."""
    services = discover(layout.root)
    # A port asked for is meant for the stack of the person, not for this one.
    for name in ("GATEWAY", *(service.variable for service in services)):
        os.environ.pop(f"{name}_PORT", None)
    layout.make_folders()
    raise_limits(layout, *more)
    lifecycle.init(layout, needs)
    raise_service_limits(layout, services)


def _choose(suites: Sequence[Suite], names: Sequence[str]) -> list[Suite]:
    known = {suite.name for suite in suites}
    if unknown := [name for name in names if name not in known]:
        raise Problem(
            f"No suite {', '.join(unknown)}.",
            hint=f"There are: {', '.join(suite.name for suite in suites)}",
            code=USAGE,
        )
    return [suite for suite in suites if not names or suite.name in names]


def _run_on_the_stack(layout: Layout, suites: Sequence[Suite]) -> list[Result]:
    """One test run at a time: the first to end would stop the other's stack."""
    if not suites:
        return []
    with locked(layout.state / "test.lock", "memo: another test run; waiting ..."):
        try:
            lifecycle.up(layout)
            return [_run_live(suite) for suite in suites]
        finally:
            lifecycle.down(layout)


def _is_static(suite: Suite) -> bool:
    """Reads the code alone; quick, silent, and safe to run beside another."""
    return not suite.needs_stack and suite.name != "native"


def raise_limits(layout: Layout, *more: Setting) -> None:
    """Before the stack is configured, which keeps what it finds."""
    wanted = [*more]
    for name, (rate, burst) in RATES.items():
        wanted.append(Setting(f"GATEWAY_{name}_RATE", rate))
        wanted.append(Setting(f"GATEWAY_{name}_BURST", burst))
    path = layout.gateway_env
    text = complete(read_text(path), wanted, "The stack of the suites.")
    write_private(path, text)


def raise_service_limits(layout: Layout, services: Sequence[Service]) -> None:
    """What the User Service counts; after `init`, which writes its file."""
    limits = runpy.run_path(str(layout.root / "shared" / "ratelimit_defaults.py"))
    wanted = [Setting(name, "1000000/minute", ours=".*") for name in limits["DEFAULTS"]]
    for service in services:
        if service.name != "users":
            continue
        path = service.env_file(layout)
        write_private(path, complete(read_text(path), wanted, ""))


def _run_at_once(suites: Sequence[Suite]) -> list[Result]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return list(pool.map(_run_quietly, suites))


def _run_quietly(suite: Suite) -> Result:
    """All steps, even after a failed one; their output in one piece."""
    begun = time.monotonic()
    texts, statuses = [], []
    for step in suite.steps():
        done = subprocess.run(
            list(map(str, step.command)),
            cwd=step.cwd,
            env=step.env,
            stdin=subprocess.DEVNULL,
            umask=UMASK,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            encoding="utf-8",
            errors="replace",
            check=False,
        )
        texts.append(done.stdout)
        statuses.append(done.returncode)
    print(f"== {suite.name}\n{''.join(texts).rstrip()}", flush=True)
    return Result(suite.name, statuses, time.monotonic() - begun)


def _run_live(suite: Suite) -> Result:
    """With its output as it comes: these take long, and people watch."""
    print(f"== {suite.name}", flush=True)
    begun = time.monotonic()
    statuses = [wait(step) for step in suite.steps()]
    return Result(suite.name, statuses, time.monotonic() - begun)


def wait(step: Step) -> int:
    """The step's exit status. Interrupted, pytest may still stop what it started."""
    process = subprocess.Popen(
        list(map(str, step.command)),
        cwd=step.cwd,
        env=step.env,
        stdin=subprocess.DEVNULL,
        umask=UMASK,
    )
    try:
        return process.wait()
    except BaseException:
        process.send_signal(signal.SIGINT)
        process.wait(60)
        raise


def _report(results: Sequence[Result]) -> int:
    print("== summary")
    for result in results:
        print(f"  {result.name:<12} {result.verdict:<7} {result.seconds:6.1f} s")
    return 0 if all(result.passed for result in results) else FAILED
