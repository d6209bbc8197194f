"""A copy of the checkout, and pytest in it: as the suites run it, on the same stack."""

import os
import shutil
import signal
import subprocess
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from deploy.native.checks import UMASK
from deploy.native.layout import Layout
from deploy.native.relocation import LEFT_BEHIND
from deploy.native.services import Service, discover
from deploy.native.suites import Maker, Step

from . import outcome
from .catalog import Mutation
from .outcome import Outcome

PATIENCE = 90  # seconds for a run
PATIENCE_OF_A_TEST = 10  # and for each of its tests


class Stopped(Exception):
    """Somebody does not want to know any more."""


class Trial:
    """A copy of the checkout for one run at a time, with the state of the real one.

    For tests that run the code themselves: those of the whole system ask what `up` has
    started, which is not the copy's.
    """

    def __init__(self, layout: Layout, root: Path) -> None:
        self.layout = layout
        self.root = root
        self.report = self.root.with_suffix(".xml")
        self.scratch = self.root.with_suffix(".tmp")  # of the tests, not another run's
        shutil.rmtree(self.root, ignore_errors=True)
        ignored = shutil.ignore_patterns(*LEFT_BEHIND)
        shutil.copytree(layout.root, self.root, ignore=ignored, symlinks=True)
        # Env files name secrets from the project's folder on.
        (self.root / ".run").symlink_to(layout.base)
        self.services = discover(self.root)
        self.maker = Maker(layout, self.services, self.root)
        self.process: subprocess.Popen[bytes] | None = None
        self.stopped = False
        self.database_is_clean = False

    def close(self) -> None:
        shutil.rmtree(self.root, ignore_errors=True)
        shutil.rmtree(self.scratch, ignore_errors=True)
        self.report.unlink(missing_ok=True)

    def stop(self) -> None:
        """From another thread: end the run there is, and make it the last."""
        self.stopped = True
        if self.process:
            _kill(self.process)

    def unmutated(self, suite: str, tests: Sequence[str]) -> Outcome:
        """The tests of one suite on the code as it is, on a fresh database."""
        self.database_is_clean = False
        return self._run(suite, tests)

    def mutated(self, mutation: Mutation) -> Outcome:
        with self._in_place(mutation):
            return self._run(suite_of(mutation.test), [mutation.test], "--exitfirst")

    @contextmanager
    def _in_place(self, mutation: Mutation) -> Iterator[None]:
        path = self.root / mutation.file
        text = path.read_text(encoding="utf-8")
        path.write_text(mutation.applied_to(text), encoding="utf-8")
        try:
            yield
        finally:
            # With its old times: what was compiled from it is good again.
            shutil.copy2(self.layout.root / mutation.file, path)

    def _run(self, suite: str, tests: Sequence[str], *options: str) -> Outcome:
        prefix = f"{suite}/" if suite in _projects(self.services) else ""
        words = [test.removeprefix(prefix) for test in tests]
        words += ["-q", "--tb=short", f"--junitxml={self.report}", *options]
        words += [f"--basetemp={self.scratch}"]
        if suite not in (
            "nginx",
            "deploy/native",
            "deploy/tests",
        ):  # There is no Django in their process.
            words += ["--reuse-db"]
            words += [] if self.database_is_clean else ["--create-db"]
        [step] = self._suites()[suite](*words)
        self.report.unlink(missing_ok=True)
        status = self._wait(step, PATIENCE + PATIENCE_OF_A_TEST * len(tests))
        # A test that was killed cleans up nothing.
        self.database_is_clean = status >= 0
        return outcome.read(status, self.report)

    def _suites(self) -> dict[str, Callable[..., list[Step]]]:
        """By the folder at the top that a suite's tests lie in."""
        return {
            "shared": self.maker.shared,
            "nginx": self.maker.gateway,
            "deploy/native": self.maker.native,
            "deploy/tests": self.maker.system,
            **{each.project.name: self.maker.suite_of(each) for each in self.services},
        }

    def _wait(self, step: Step, seconds: float) -> int:
        """Its exit status. One that does not end is killed, with all it started."""
        # Before the `shared` that is installed.
        env = {**step.env, "PYTHONPATH": str(self.root)}
        with self.report.with_suffix(".log").open("wb") as log:
            if self.stopped:
                raise Stopped
            self.process = process = subprocess.Popen(
                list(map(str, step.command)),
                cwd=step.cwd,
                env=env,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                umask=UMASK,
                start_new_session=True,
            )
            try:
                return process.wait(seconds)
            except subprocess.TimeoutExpired:
                return -signal.SIGKILL
            finally:
                _kill(process)


def suite_of(test: str) -> str:
    """The folder at the top, and the next one of `deploy`."""
    top, _, rest = test.partition("/")
    return f"{top}/{rest.partition('/')[0]}" if top == "deploy" else top


def _projects(services: Sequence[Service]) -> set[str]:
    return {service.project.name for service in services}


def _kill(process: subprocess.Popen[bytes]) -> None:
    """Whatever is left of it: a test's own Nginx, too."""
    try:
        os.killpg(process.pid, signal.SIGKILL)
    except ProcessLookupError:
        return
    process.wait()
