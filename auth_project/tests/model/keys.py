"""What Redis says of each session: `active` (True) or `revoked`, and until when."""

from dataclasses import dataclass, field

from .records import FULL, SECOND, WELL, Session, Terms


@dataclass
class Keys:
    terms: Terms
    now: int
    redis: str = WELL
    keys: dict[Session, tuple[bool, int]] = field(default_factory=dict)

    def known(self, s: Session) -> bool | None:
        says, until = self.keys.get(s, (False, 0))
        return says if until > self.now else None

    def mark_active(self, s: Session, exp: int) -> None:
        """For as long as this token may live. What is there stays as it is, and lasts
        at least as long."""
        left = (exp * SECOND + self.terms.clock_leeway - self.now) // SECOND
        if left <= 0:
            return
        says, until = self.known(s), self.now + left * SECOND
        if says is not None and self.redis in (WELL, FULL):
            self.keys[s] = says, max(until, self.keys[s][1])
        elif self.redis == WELL:
            self.keys[s] = True, until

    def announce(self, s: Session) -> None:
        """Beyond the life of its access tokens; no word at all where Redis is full."""
        if self.redis == WELL:
            self.keys[s] = False, self.now + self.terms.window
        elif self.redis == FULL:
            self.keys.pop(s, None)
