"""Keeps the processes of a stack running, and leaves nothing behind when it ends.

One process, one thread, one loop. It holds a lock for its whole life (that is what
"running" means), adopts orphans, and its children die with it, even when it is
killed. It knows nothing about health: whoever asks it to start things looks himself.
"""

import contextlib
import os
import selectors
import signal
import sys
import time
from collections.abc import Iterable
from pathlib import Path

from . import linux, logfiles, plan
from .child import Child
from .control import Server
from .files import try_lock
from .layout import Layout

TICK = 0.1
LOCK_PATIENCE = 3.0
ROTATE_EVERY = 60.0
STOPPING = (signal.SIGTERM, signal.SIGINT)
IGNORED = (signal.SIGHUP, signal.SIGPIPE, signal.SIGUSR1, signal.SIGUSR2)


def lock_path(layout: Layout) -> Path:
    return layout.state / "supervisor.lock"


def main(layout: Layout) -> int:
    lock = _acquire(lock_path(layout))
    if lock is None:
        return 1
    linux.adopt_orphans()
    supervisor = Supervisor(layout, plan.load(layout.plan))
    supervisor.run()
    return 0


def _acquire(path: Path) -> int | None:
    """The lock. Somebody may hold it for a moment, only to see whether we do."""
    deadline = time.monotonic() + LOCK_PATIENCE
    while (lock := try_lock(path)) is None and time.monotonic() < deadline:
        time.sleep(0.02)
    return lock


class Supervisor:
    def __init__(self, layout: Layout, the_plan: plan.Plan) -> None:
        self.layout = layout
        self.plan = the_plan
        self.children = {spec.name: Child(spec) for spec in the_plan.processes}
        self.ending = False
        self.wakeup_read, self.wakeup_write = os.pipe()
        self.selector = selectors.DefaultSelector()
        self.selector.register(self.wakeup_read, selectors.EVENT_READ)
        self.server = Server(layout, self, self.selector)
        self.next_rotation = time.monotonic() + ROTATE_EVERY

    def run(self) -> None:
        self._listen_to_signals()
        self.say(f"running as pid {os.getpid()}")
        while not (self.ending and self.all_stopped(self.children)):
            self._wait()
            self._reap()
            self._advance()
            self.server.answer_waiting()
        self.server.close()
        self.say("stopped")

    def say(self, message: str) -> None:
        now = time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime())
        print(f"{now} {message}", file=sys.stderr, flush=True)

    def start(self, names: Iterable[str]) -> None:
        for name in names:
            if not self.ending:
                self.children[name].want()

    def stop(self, names: Iterable[str]) -> None:
        for name in names:
            self.children[name].unwant()

    def end(self) -> None:
        """Stop everything, tier by tier, then leave the loop."""
        self.ending = True

    def all_stopped(self, names: Iterable[str]) -> bool:
        return all(self.children[name].is_stopped for name in names)

    def _wait(self) -> None:
        for key, _events in self.selector.select(TICK):
            if key.data is None:
                self._read_signals()
            else:
                key.data()

    def _advance(self) -> None:
        """Whatever is due: starts, restarts, a harder signal, rotated logs."""
        if self.ending:
            self._stop_highest_tier()
        now = time.monotonic()
        for child in self.children.values():
            child.advance(now, self.say)
        if now >= self.next_rotation:
            self.next_rotation = now + ROTATE_EVERY
            logfiles.rotate(self.layout.logs)

    def _stop_highest_tier(self) -> None:
        """The entrance first, the stores last, each when the one above is gone."""
        alive = [child for child in self.children.values() if not child.is_stopped]
        highest = max((child.spec.tier for child in alive), default=0)
        for child in alive:
            if child.spec.tier == highest:
                child.unwant()

    def _reap(self) -> None:
        """Collect whoever ended: our children, and orphans that became ours."""
        with contextlib.suppress(ChildProcessError):
            while (found := os.waitpid(-1, os.WNOHANG))[0]:
                pid, status = found
                for child in self.children.values():
                    if child.pid == pid:
                        child.has_ended(status, self.say)

    def _listen_to_signals(self) -> None:
        os.set_blocking(self.wakeup_read, False)
        os.set_blocking(self.wakeup_write, False)
        signal.set_wakeup_fd(self.wakeup_write, warn_on_full_buffer=False)
        for number in (*STOPPING, signal.SIGCHLD):
            signal.signal(number, lambda *_: None)
        for number in IGNORED:
            signal.signal(number, signal.SIG_IGN)

    def _read_signals(self) -> None:
        with contextlib.suppress(BlockingIOError):
            while received := os.read(self.wakeup_read, 64):
                if any(number in received for number in STOPPING):
                    self.end()
