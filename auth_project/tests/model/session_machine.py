"""The acts of users, drawn by hypothesis, done in the system and in the model, with
every answer compared. What is here holds for any driver.

Requests that mean nothing in any state (garbage, no cookie) are under test elsewhere.
"""

from hypothesis import strategies as st
from hypothesis.stateful import initialize

from .machine import OFTEN, WHICH, Device, Machine, act, pick, unverified, with_devices
from .records import CLEARED, Access, Account, Answer, Refresh
from .reference import ENDED


class SessionMachine(Machine):
    """Subclasses give `driver` and `model`, and acts that only their driver can do."""

    @initialize()
    def begin(self) -> None:
        """Most acts need a user who is logged in."""
        for account in (*self.accounts, self.accounts[0]):
            self.logging_in(account)

    # ---- Login -------------------------------------------------------------------

    @act(who=WHICH, by_email=st.booleans())
    def log_in(self, who: int, by_email: bool) -> None:
        account = pick(self.accounts, who)
        self.logging_in(account, by_email)

    @with_devices
    @act(who=WHICH, which=WHICH, twice=OFTEN)
    def log_in_with_a_cookie(self, who: int, which: int, twice: bool) -> None:
        """Of any session there ever was, of any user, or (garbage) the same one twice.
        The browser's next refresh may still carry it."""
        account, token = pick(self.accounts, who), pick(self.refreshes, which)
        self.logging_in(account, token=token, twice=twice)
        self.refreshing(token)

    def logging_in(
        self,
        account: Account,
        by_email: bool = False,
        token: Refresh | None = None,
        twice: bool = False,
    ) -> None:
        self.tick()
        named = {"email": account.email} if by_email else {"username": account.name}
        who = self.model.ask(account)
        cookies = [self.text_of(token)] * (1 + twice) if token else []
        seen = self.driver.log_in({**named, "password": account.password}, *cookies)
        self.model.now = self.driver.moment()
        replaced = token.session if token and not twice else None
        answer = self.model.log_in(who, replaced)
        self.compare(answer, seen)
        if answer.code == "second_factor_required":
            self.model.pending[-1].text = seen.body["login"]
        self.note_device(answer)

    def note_device(self, answer: Answer) -> None:
        if isinstance(answer.cookie, Refresh) and answer.access:
            s = answer.access.session
            self.devices.append(Device(s, answer.cookie, answer.access))

    # ---- Refresh -----------------------------------------------------------------

    @with_devices
    @act(which=WHICH, lost=OFTEN)
    def refresh(self, which: int, lost: bool) -> None:
        """`lost`: the answer does not arrive, so the device tries again some time."""
        device = pick(self.devices, which)
        answer = self.refreshing(device.refresh)
        if not lost:
            self.keep(device, answer)

    @with_devices
    @act(which=WHICH)
    def refresh_twice(self, which: int) -> None:
        device = pick(self.devices, which)
        token = device.refresh
        for _ in range(2):
            self.keep(device, self.refreshing(token))

    @with_devices
    @act(which=WHICH)
    def refresh_with_any_token(self, which: int) -> None:
        self.refreshing(pick(self.refreshes, which))

    @with_devices
    @act(which=WHICH, back=st.integers(1, 3))
    def refresh_with_an_ancestor(self, which: int, back: int) -> None:
        """1: the direct predecessor, if there has been a rotation; 0: the current."""
        s = pick(self.devices, which).session
        older = [t for t in self.refreshes if t.session is s]
        self.refreshing(older[max(s.generation - back, 0)])

    def refreshing(self, token: Refresh) -> Answer:
        self.tick()
        answer = self.model.before_asking(token)
        who = self.model.ask(token.session.account)
        seen = self.driver.refresh(self.text_of(token))
        self.model.now = self.driver.moment()
        answer = answer or self.model.refresh(token, who)
        self.compare(answer, seen)
        return answer

    def keep(self, device: Device, answer: Answer) -> None:
        if isinstance(answer.cookie, Refresh):
            device.refresh = answer.cookie
        device.access = answer.access or device.access

    # ---- Ends --------------------------------------------------------------------

    @with_devices
    @act(which=WHICH, old=st.booleans())
    def log_out(self, which: int, old: bool) -> None:
        """By the token of a device, or by any there ever was, expired ones too."""
        token = pick(self.refreshes if old else self.devices, which)
        token = token if old else token.refresh
        self.tick()
        seen = self.driver.log_out(self.text_of(token))
        audit = (*self.model.end(token.session), "session_logout")
        self.compare(Answer(200, cookie=CLEARED, audit=audit), seen)

    @with_devices
    @act(which=WHICH, keep=st.booleans())
    def log_out_everywhere(self, which: int, keep: bool) -> None:
        device = pick(self.devices, which)
        self.tick()
        s, account = device.session, device.session.account
        code = self.model.verify(device.access)
        if code is None and account.present:
            account.raise_epoch(self.model.now, s if keep else None)
        cookie = self.text_of(device.refresh)
        seen = self.driver.log_out_all(self.texts[device.access], keep, cookie)
        if code:
            self.compare(Answer(401, code), seen)
        elif not account.present:
            audit = (*self.model.end(s),)
            self.compare(Answer(401, "token_revoked", audit=audit), seen)
        else:
            kept = account.kept, account.kept_from
            ended = self.model.end_below(account, account.epoch, *kept)
            audit = (ENDED, "session_logout_all")
            cleared = None if keep else CLEARED
            self.compare(Answer(200, None, cleared, None, audit), seen)
            assert seen.body == {"revoked": ended}

    @with_devices
    @act(which=WHICH, other=WHICH)
    def end_a_session(self, which: int, other: int) -> None:
        """One's own, or that of any other device."""
        token, target = self.devices_access(which), pick(self.devices, other).session
        self.tick()
        code = self.model.verify(token)
        seen = self.driver.end_session(self.texts[token], target.sid)
        if code:
            self.compare(Answer(401, code), seen)
        elif target in self.model.live(token.session.account):
            self.compare(Answer(204, audit=(*self.model.end(target),)), seen)
        else:
            self.compare(Answer(404, "not_found"), seen)

    def devices_access(self, which: int) -> Access:
        access: Access = pick(self.devices, which).access
        return access

    # ---- Questions ---------------------------------------------------------------

    @with_devices
    @act(which=WHICH)
    def list_sessions(self, which: int) -> None:
        token = self.devices_access(which)
        self.tick()
        code = self.model.verify(token)
        seen = self.driver.sessions(self.texts[token])
        self.compare(Answer(401, code) if code else Answer(200), seen)
        if not code:
            live = self.model.live(token.session.account)
            listed = [(each["id"], each["current"]) for each in seen.body]
            assert listed == [(s.sid, s is token.session) for s in live]

    @with_devices
    @act(which=WHICH)
    def verify(self, which: int) -> None:
        self.verifying(pick(self.accesses, which))

    @with_devices
    @act(which=WHICH)
    def me(self, which: int) -> None:
        self.asking_elsewhere(pick(self.accesses, which))

    @with_devices
    @act()
    def ask_about_every_token(self) -> None:
        for token in self.accesses:
            self.verifying(token)
            self.asking_elsewhere(token)

    def check_bounds(self, token: Access) -> None:
        """What the model accepts too must be within the bounds that are promised."""

    def verifying(self, token: Access) -> None:
        self.tick()
        code = self.model.verify(token)
        seen = self.driver.verify(self.texts[token])
        self.compare(Answer(401, code) if code else Answer(200), seen)
        if not code:
            self.check_bounds(token)
            c = unverified(self.texts[token])
            names = ("email", "email_verified", "username", "roles", "sid", "exp")
            names += ("auth_time", "acr", "amr")
            claims = {name: c[name] for name in names}
            assert seen.body == {"valid": True, "user_id": c["sub"], **claims}

    def asking_elsewhere(self, token: Access) -> None:
        self.tick()
        code = self.model.verify(token, elsewhere=True)
        seen = self.driver.me(self.texts[token])
        self.compare(Answer(401, code) if code else Answer(200), seen)
        if not code:
            self.check_bounds(token)
            account = token.session.account
            user = {"id": account.id, "username": account.name}
            assert seen.body | user == seen.body
