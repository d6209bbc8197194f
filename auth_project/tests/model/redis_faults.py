"""Redis forgets, is behind, or is in trouble."""

from typing import Any

from hypothesis import strategies as st
from hypothesis.stateful import precondition

from .machine import WHICH, act, pick, with_devices
from .records import AWAY, FULL, READ_ONLY, SECOND, WELL, Session
from .session_machine import SessionMachine

TROUBLES = st.sampled_from([FULL, READ_ONLY, AWAY])


def when_redis_is(*kinds: str) -> Any:
    return precondition(lambda self: self.model.redis in kinds)


class RedisForgets(SessionMachine):
    """What is the same for any driver."""

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


class RedisFaults(RedisForgets):
    def __init__(self) -> None:
        super().__init__()
        self.unswept = False  # Redis may say what is not so

    @with_devices
    @when_redis_is(WELL)
    @act(which=WHICH)
    def fail_over_to_a_redis_that_is_behind(self, which: int) -> None:
        self.fall_behind(pick(self.devices, which).session)
        self.unswept = True

    @when_redis_is(WELL)
    @act(kind=TROUBLES)
    def redis_gets_into_trouble(self, kind: str) -> None:
        self.driver.redis_trouble(kind)
        self.model.redis = kind
        self.unswept = True

    @with_devices
    @when_redis_is(WELL)
    @act(which=WHICH, kind=TROUBLES, swept=st.booleans())
    def log_out_while_redis_is_in_trouble(
        self, which: int, kind: str, swept: bool
    ) -> None:
        """Its tokens are asked about during the trouble, and after it."""
        s = pick(self.devices, which).session
        tokens = [token for token in self.accesses if token.session is s]
        self.redis_gets_into_trouble(kind=kind)
        self.log_out(which=which, old=False)
        for after in (lambda: None, lambda: self.redis_recovers(swept=swept)):
            after()
            for token in tokens:
                self.verifying(token)
                self.asking_elsewhere(token)

    @when_redis_is(FULL, READ_ONLY, AWAY)
    @act(swept=st.booleans())
    def redis_recovers(self, swept: bool) -> None:
        self.driver.redis_trouble(WELL)
        self.model.redis = WELL
        if swept:
            self.sweep()

    @act()
    def sweep(self) -> None:
        self.tick()
        self.driver.sweep()
        self.model.sweep()
        self.unswept = self.unswept and self.model.redis != WELL
