"""Redis forgets, or is behind: the same for any driver."""

from .machine import WHICH, act, pick, with_devices
from .records import SECOND, Session
from .session_machine import SessionMachine


class RedisForgets(SessionMachine):
    @act()
    def flush(self) -> None:
        self.driver.lose_all()
        self.model.keys.clear()

    @with_devices
    @act(which=WHICH)
    def lose_a_key(self, which: int) -> None:
        s = pick(self.devices, which).session
        self.driver.lose(s.sid)
        self.model.keys.pop(s, None)

    def fall_behind(self, s: Session) -> None:
        """Redis, to when the session was active."""
        self.driver.restore_active(s.sid, self.model.terms.grace // SECOND)
        self.model.keys[s] = True, self.model.now + self.model.terms.grace
