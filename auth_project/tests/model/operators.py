"""What operators do in the Auth Service itself."""

from .machine import OFTEN, WHICH, act, pick, with_devices
from .records import Account, Answer
from .reference import ENDED
from .session_machine import SessionMachine


class Operators(SessionMachine):
    @with_devices
    @act(which=WHICH, who=WHICH)
    def operator_ends_a_session(self, which: int, who: int) -> None:
        """Of somebody; whether it is theirs or not."""
        s, account = pick(self.devices, which).session, pick(self.accounts, who)
        self.tick()
        seen = self.driver.operator_ends(account, s.sid)
        audit = self.model.end(s) if s in self.model.live(account) else []
        self.compare(Answer(200, audit=(*audit,)), seen)
        assert seen.body == {"revoked": len(audit)}

    @with_devices
    @act(which=WHICH)
    def operator_ends_a_session_by_command(self, which: int) -> None:
        s = pick(self.devices, which).session
        self.tick()
        seen = self.driver.operator_command("revokesession", s.sid)
        if s in self.model.live():
            self.compare(Answer(200, audit=(*self.model.end(s),)), seen)
        else:
            self.compare(Answer(404), seen)

    @act(who=WHICH)
    def operator_ends_all_of_somebody(self, who: int) -> None:
        self.ending_all(pick(self.accounts, who))

    @act(sure=OFTEN)
    def operator_ends_all_of_everybody(self, sure: bool) -> None:
        self.ending_all(None if sure else self.accounts[0])

    def ending_all(self, account: Account | None) -> None:
        self.tick()
        words = [account.id] if account else ["--all", "--noinput"]
        seen = self.driver.operator_command("revokesessions", *words)
        self.model.end(*self.model.live(account))
        self.compare(Answer(200, audit=(ENDED,)), seen)

    @act()
    def purge(self) -> None:
        self.tick()
        self.driver.purge()
        self.model.purge()
