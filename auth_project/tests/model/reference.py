"""Section 5 of the design, "Tokens and sessions", as a program: what every answer must
be. No database, no Redis, no HTTP, nothing random; one act at a time.

Where the User Service is asked there are two parts, what it says and what is decided by
that, so that other acts may come in between.
"""

from dataclasses import dataclass, field

from .records import (
    DAY,
    DOWN,
    FULL,
    SECOND,
    WELL,
    Access,
    Account,
    Answer,
    Identity,
    Pending,
    Refresh,
    Session,
    Terms,
    is_below,
    refused,
)

ENDED = "authn_token_revoked"
BEHIND = ("login_epoch_behind",)
FIVE_MINUTES = 300 * SECOND


@dataclass
class Keys:
    """What Redis says of each session: `active` (True) or `revoked`, and until when."""

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


@dataclass
class Reference(Keys):
    sessions: list[Session] = field(default_factory=list)
    pending: list[Pending] = field(default_factory=list)
    floors: dict[Account, int] = field(default_factory=dict)

    # ---- Login and refresh -------------------------------------------------------

    def ask(self, account: Account | None) -> Identity:
        if account is None or not account.present:
            return Identity(None, 0, (), self.now)
        more = account.kept, account.kept_from, account.factor, account.required
        return Identity(account, account.epoch, account.roles, self.now, *more)

    def log_in(self, who: Identity, replaced: Session | None = None) -> Answer:
        """`replaced`: whose cookie comes along."""
        if who.account is None:
            return Answer(401, "invalid_credentials")
        if who.factor or who.required:
            expires = self.now + FIVE_MINUTES
            enrol = not who.factor
            waiting = Pending(who.account, who.epoch, expires, enrol=enrol)
            self.pending.append(waiting)
            return Answer(401, "second_factor_required")
        if self.is_behind(who):
            return Answer(503, "dependency_unavailable", audit=BEHIND)
        return self.open(who, replaced)

    def is_behind(self, who: Identity) -> bool:
        return who.account is None or who.epoch < self.floors.get(who.account, 0)

    def open(
        self, who: Identity, replaced: Session | None = None, amr: str = "pwd"
    ) -> Answer:
        assert who.account is not None
        self.floors[who.account] = who.epoch
        absolute = self.now + self.terms.absolute
        expires = min(self.now + self.terms.refresh, absolute)
        s = Session(who.account, who.epoch, self.now, self.now, expires, absolute)
        s.amr = amr
        self.sessions.append(s)
        others = [each for each in self.live(who.account) if each is not replaced]
        ending = others[self.terms.cap :]
        if replaced and not replaced.over:
            ending.append(replaced)
        audit = (*self.end(*ending), "authn_login_success")
        return self.grant(s, who, self.current(s), *audit)

    def before_asking(self, token: Refresh) -> Answer | None:
        if token.exp * SECOND <= self.now - self.terms.clock_leeway:
            return refused("token_expired")
        if self.redis != DOWN and self.known(token.session) is False:
            return refused("token_revoked")
        return None

    def refresh(self, token: Refresh, who: Identity) -> Answer:
        s, leeway = token.session, self.terms.reuse_leeway
        if who.account is None:
            return refused("token_revoked", *self.end(s))
        if s.over:
            self.announce(s)
            return refused("token_revoked")
        if s.expires <= self.now:
            return refused("token_expired", "session_expired")
        if is_below(s, who):
            return refused("token_revoked", *self.end(s))
        since = s.created - leeway if s.rotated is None else s.rotated
        # By when the request arrived: it is not late because others were slow.
        early = leeway and who.asked_at - since <= leeway
        is_current = token.generation == s.generation
        is_predecessor = token.generation == s.generation - 1 and early
        if is_current or is_predecessor:
            s.epoch = max(s.epoch, who.epoch)  # it may step up
        if who.required and s.acr == "aal1" and (is_current or is_predecessor):
            return Answer(401, "insufficient_user_authentication")
        if is_current:
            if self.now - since < leeway:
                return self.grant(s, who, None)
            s.generation, s.rotated, s.used = s.generation + 1, self.now, self.now
            s.expires = min(self.now + self.terms.refresh, s.absolute)
            return self.grant(s, who, self.current(s), "session_renewed")
        if is_predecessor:
            return self.grant(s, who, self.current(s), "authn_token_leeway")
        return refused("refresh_token_reused", *self.end(s), "authn_token_reuse")

    def current(self, s: Session) -> Refresh:
        issued = s.created if s.rotated is None else s.rotated
        return Refresh(s, s.generation, issued // SECOND, s.expires // SECOND)

    def grant(
        self, s: Session, who: Identity, cookie: Refresh | None, *audit: str
    ) -> Answer:
        iat = who.asked_at // SECOND
        exp = min(iat + self.terms.access // SECOND, s.expires // SECOND)
        self.mark_active(s, exp)
        return Answer(200, None, cookie, Access(s, who.roles, iat, exp), audit)

    # ---- Second factors and step-ups ---------------------------------------------

    def begin_step_up(self, s: Session) -> Pending:
        expires = self.now + FIVE_MINUTES
        self.pending.append(Pending(s.account, s.epoch, expires, s))
        return self.pending[-1]

    def attempt(self, waiting: Pending, s: Session | None = None) -> Answer | None:
        """A try is spent before the User Service is asked. `s`: whose access token
        comes along, if a step-up was asked for."""
        if waiting.session is not s or waiting.enrol:
            return Answer(401, "token_invalid")
        if waiting.settled:
            return Answer(409, "login_settled")
        if waiting.tries == 5 or waiting.expires <= self.now:
            return Answer(401, "token_invalid")
        waiting.tries += 1
        return None

    def prove(self, waiting: Pending, who: Identity, is_right: bool) -> Answer | None:
        """What the User Service says of the code."""
        if who.account is None or who.epoch != waiting.epoch:
            return Answer(401, "token_invalid")
        return None if is_right else Answer(401, "second_factor_invalid")

    def settle(
        self, waiting: Pending, who: Identity, methods: tuple[str, ...] = ("otp",)
    ) -> Answer:
        """The session of a login, or the level of one. `methods` are those of the
        factor; none: a password."""
        s = waiting.session
        if waiting.settled:
            return Answer(409, "login_settled")
        if waiting.expires <= self.now or (s and (s.over or s.expires <= self.now)):
            return Answer(401, "token_invalid")
        if s is None and self.is_behind(who):
            return Answer(401, "token_invalid", audit=BEHIND)
        waiting.settled = True
        if s is None:
            return self.open(who, amr=" ".join(["pwd", *methods, "mfa"]))
        s.stepped_up = self.now
        if methods:
            before = [each for each in s.amr.split() if each != "mfa"]
            new = [each for each in methods if each not in before]
            s.amr = " ".join([*before, *new, "mfa"])
        else:
            s.amr = "pwd"
        return self.grant(s, who, None, "authn_step_up")

    # ---- Is this access token good? ----------------------------------------------

    def verify(self, token: Access, *, elsewhere: bool = False) -> str | None:
        """The code of the refusal. `elsewhere`: in a service that asks auth where Redis
        does not know."""
        s = token.session
        if token.exp * SECOND <= self.now - self.terms.clock_leeway:
            return "token_expired"
        says = self.known(s) if elsewhere or self.redis != DOWN else None
        if says is None and elsewhere:
            return self.verify(token)
        if says is None:
            says = not s.over
            if says:
                self.mark_active(s, token.exp)
            else:
                self.announce(s)
        return None if says else "token_revoked"

    # ---- Ends --------------------------------------------------------------------

    def live(self, account: Account | None = None) -> list[Session]:
        """Of one user or of all, the last used first."""
        found = [s for s in self.sessions if not s.over and s.expires > self.now]
        mine = [s for s in found if account in (None, s.account)]
        return sorted(mine, key=lambda s: s.used, reverse=True)

    def end(self, *sessions: Session) -> list[str]:
        """Ended before or not: Redis may have missed it. What is audited of each."""
        rows = [s for s in sessions if not s.purged]
        for s in rows:
            s.revoked = s.revoked or self.now
        for s in sessions:
            self.announce(s)
        return [ENDED] * len(rows)

    def end_below(
        self, account: Account, epoch: int, keep: Session | None, keep_from: int
    ) -> int:
        """The push: sessions of an older epoch end, but one, which is lifted; and none
        opens below it any more."""
        self.floors[account] = max(self.floors.get(account, 0), epoch)
        mine = [s for s in self.sessions if s.account is account and not s.over]
        below = [s for s in mine if s.epoch < epoch]
        if keep in below and keep.epoch >= keep_from:
            below.remove(keep)
            keep.epoch = epoch
        return len(self.end(*below))

    def purge(self) -> None:
        for s in self.sessions:
            s.purged = s.purged or s.expires < self.now - DAY

    def sweep(self) -> None:
        """Compares, and announces what Redis does not know."""
        since = self.now - self.terms.window
        for s in self.sessions:
            recent = not s.purged and s.revoked is not None and s.revoked > since
            if recent and self.known(s) is not False:
                self.announce(s)
