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

    def mark_active(self, s: Session) -> None:
        """What is there stays as it is, and lasts at least as long."""
        says, until = self.known(s), self.now + self.terms.grace
        if says is not None and self.redis in (WELL, FULL):
            self.keys[s] = says, max(until, self.keys[s][1])
        elif self.redis == WELL:
            self.keys[s] = True, until

    def announce(self, s: Session) -> None:
        """For as long as a token of it may live; no word at all where Redis is full."""
        left = 0 if s.purged else max(s.expires - self.now, 0) // SECOND * SECOND
        if self.redis == WELL:
            self.keys[s] = False, self.now + left + self.terms.grace
        elif self.redis == FULL:
            self.keys.pop(s, None)
