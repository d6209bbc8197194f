"""Time that passes, up to the very edges."""

from hypothesis import strategies as st

from .machine import WHICH, act, pick, with_devices
from .records import DAY, SECOND, WELL
from .session_machine import SessionMachine

SECONDS = [0.2, 1, 5, 9, 10, 11, 30, 60, 299, 300, 311, 371]
DAYS = [1, 3, 6, 7, 8, 10, 12]
STALE = 20 * SECOND  # Redis's clock goes on by itself: so exact is it at least


class Times(SessionMachine):
    @act(seconds=st.sampled_from(SECONDS))
    def wait(self, seconds: float) -> None:
        self.step(int(seconds * SECOND))

    @act(days=st.sampled_from(DAYS))
    def wait_for_days(self, days: int) -> None:
        self.step(days * DAY)

    @with_devices
    @act(which=WHICH, edge=st.integers(0, 7), off=st.integers(-1, 1))
    def wait_until_something_is_over(self, which: int, edge: int, off: int) -> None:
        """The next act is at that very microsecond, or one before or after it."""
        device, terms = pick(self.devices, which), self.model.terms
        s = device.session
        edges = [
            (s.rotated or s.created) + terms.reuse_leeway,
            device.access.exp * SECOND + terms.clock_leeway,
            device.refresh.exp * SECOND + terms.clock_leeway,
            s.expires,
            s.absolute,
            s.absolute // SECOND * SECOND,
            s.expires + DAY,
            (s.revoked or s.used) + terms.window,
        ]
        self.step(max(edges[edge] + off - 1000 - self.model.now, 0))

    def step(self, microseconds: int) -> None:
        until = self.model.now + microseconds
        # Where it matters whether Redis still knows, its last moment is left out.
        doubtful = [
            ends
            for s, (active, ends) in self.model.keys.items()
            if active and (s.over or self.model.redis != WELL)
        ]
        for ends in sorted(doubtful):
            if until < ends <= until + STALE:
                until = ends + 1
        self.driver.step(until - self.model.now)
        self.model.now = until
