"""What people do to end sessions."""

from hypothesis import strategies as st

from .machine import GARBAGE, WHICH, Machine, act, pick, with_devices
from .records import CLEARED, Access, Answer
from .reference import ENDED


class Ends(Machine):
    @with_devices
    @act(which=WHICH, old=st.booleans())
    def log_out(self, which: int, old: bool) -> None:
        """By the token of a device, or by any there ever was, expired ones too."""
        token = (
            pick(self.refreshes, which) if old else pick(self.devices, which).refresh
        )
        self.tick()
        seen = self.driver.log_out(self.text_of(token))
        audit = (*self.model.end(token.session), "session_logout")
        self.compare(Answer(200, cookie=CLEARED, audit=audit), seen)

    @act(text=st.sampled_from(["", *GARBAGE]))
    def log_out_with_garbage(self, text: str) -> None:
        self.tick()
        seen = self.driver.log_out(*[text] if text else [])
        self.compare(Answer(200, cookie=CLEARED), seen)

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
            self.compare(
                Answer(401, "token_revoked", audit=(*self.model.end(s),)), seen
            )
        else:
            ended = self.model.end_below(
                account, account.epoch, account.kept, account.kept_from
            )
            audit = (ENDED, "session_logout_all")
            self.compare(
                Answer(200, None, None if keep else CLEARED, None, audit), seen
            )
            assert seen.body == {"revoked": ended}

    @with_devices
    @act(which=WHICH, other=WHICH)
    def end_a_session(self, which: int, other: int) -> None:
        """One's own, or that of another device of anybody."""
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

    @with_devices
    @act(which=WHICH)
    def end_an_unknown_session(self, which: int) -> None:
        token = self.devices_access(which)
        self.tick()
        code = self.model.verify(token)
        unknown = "00000000-0000-4000-8000-000000000000"
        seen = self.driver.end_session(self.texts[token], unknown)
        self.compare(Answer(401, code) if code else Answer(404, "not_found"), seen)

    def devices_access(self, which: int) -> Access:
        access: Access = pick(self.devices, which).access
        return access
