"""One supervised process: started, watched, restarted with patience, stopped."""

import os
import signal
import subprocess
import time
from collections.abc import Callable
from pathlib import Path

from . import linux, logfiles, strays
from .plan import Spec

FIRST_PAUSE = 0.2
LONGEST_PAUSE = 10.0
# Whoever ran this long has earned a quick restart again.
GOOD_RUN = 30.0
# Gunicorn gets 25 s for requests in flight; then this is no longer a stop.
STOP_PATIENCE = 28.0

Say = Callable[[str], None]


class Child:
    """`wanted` is what was asked for; `pid` is what is. `advance` closes the gap."""

    def __init__(self, spec: Spec) -> None:
        self.spec = spec
        self.pid: int | None = None
        self.wanted = False
        self.restarts = 0
        self.pause = 0.0
        self.due = 0.0
        self.started = 0.0
        self.kill_at: float | None = None

    @property
    def is_stopped(self) -> bool:
        return self.pid is None and not self.wanted

    @property
    def state(self) -> str:
        if self.pid is None:
            return "restarting" if self.wanted else "stopped"
        return "running" if self.kill_at is None else "stopping"

    def want(self) -> None:
        if not self.wanted:
            self.wanted, self.pause, self.due = True, 0.0, 0.0

    def unwant(self) -> None:
        """Stop, in the way the program stops best. Saying it twice changes nothing."""
        self.wanted = False
        if self.pid is not None and self.kill_at is None:
            self.kill_at = time.monotonic() + STOP_PATIENCE
            os.kill(self.pid, self.spec.stop_signal)

    def advance(self, now: float, say: Say) -> None:
        if self.pid is None and self.wanted and now >= self.due:
            self._start(now, say)
        elif self.pid is not None and self.kill_at is not None and now >= self.kill_at:
            say(f"{self.spec.name} does not stop; killing it")
            self._kill_group()
            self.kill_at = now + STOP_PATIENCE

    def has_ended(self, status: int, say: Say) -> None:
        """The process is gone. Its group has no business without it: the workers of
        a killed Nginx would go on serving an old configuration for ever."""
        self._kill_group()
        asked = self.kill_at is not None
        say(f"{self.spec.name} ended ({_how(status)}{', as asked' if asked else ''})")
        self.pid, self.kill_at = None, None
        if self.wanted and not asked:
            self._plan_restart()

    def _plan_restart(self) -> None:
        self.restarts += 1
        now = time.monotonic()
        quick = now - self.started >= GOOD_RUN
        self.pause = FIRST_PAUSE if quick else max(FIRST_PAUSE, self.pause * 2)
        self.pause = min(self.pause, LONGEST_PAUSE)
        self.due = now + self.pause

    def _start(self, now: float, say: Say) -> None:
        self._clear_leftovers()
        try:
            self.pid = self._spawn()
        except OSError as exc:
            say(f"{self.spec.name} cannot be started: {exc}")
            self._plan_restart()
            return
        self.started = now
        say(f"{self.spec.name} started as pid {self.pid}")

    def _spawn(self) -> int:
        """In a session of its own, tied to our life, its output appended to its log."""
        spec, parent = self.spec, os.getpid()
        Path(spec.cwd).mkdir(parents=True, exist_ok=True)

        def in_the_child() -> None:
            linux.die_with_parent(parent, signal.Signals(spec.stop_signal))
            if not spec.low_ports:
                linux.drop_low_ports()

        with logfiles.open_for_append(Path(spec.log)) as log:
            process = subprocess.Popen(
                spec.command,
                env=spec.env,
                cwd=spec.cwd,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=in_the_child,
            )
        # The loop reaps by itself; Popen must not.
        process.returncode = 0
        return process.pid

    def _clear_leftovers(self) -> None:
        """What the last one left when it was killed: backends, lock files, sockets."""
        if self.spec.stale_folder:
            folder = Path(self.spec.stale_folder)
            strays.kill_until_gone(lambda: strays.find_in(folder))
        for name in self.spec.stale_files:
            Path(name).unlink(missing_ok=True)

    def _kill_group(self) -> None:
        if self.pid is None:
            return
        try:
            os.killpg(self.pid, signal.SIGKILL)
        except (ProcessLookupError, PermissionError):
            return


def _how(status: int) -> str:
    code = os.waitstatus_to_exitcode(status)
    return f"exit {code}" if code >= 0 else signal.Signals(-code).name
