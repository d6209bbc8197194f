"""The User Service is unavailable, slow, or its answer comes after other acts."""

from collections.abc import Callable

from hypothesis import strategies as st

from .machine import WHICH, act, pick, with_devices
from .records import SECOND, Access, Answer, Seen
from .surroundings import Surroundings

UNAVAILABLE = Answer(503, "dependency_unavailable")


class Interleaved(Surroundings):
    @with_devices
    @act(which=WHICH)
    def refresh_without_the_user_service(self, which: int) -> None:
        token = pick(self.refreshes, which)
        self.tick()
        self.driver.users.down = True
        seen = self.driver.refresh(self.text_of(token))
        self.driver.quiet()
        self.compare(self.model.before_asking(token) or UNAVAILABLE, seen)

    @with_devices
    @act(which=WHICH, back=st.integers(0, 2), takes=st.integers(1, 12))
    def refresh_while_users_are_slow(self, which: int, back: int, takes: int) -> None:
        s = pick(self.devices, which).session
        older = [t for t in self.refreshes if t.session is s]
        self.driver.users.takes = takes * SECOND
        self.refreshing(older[max(s.generation - back, 0)])
        self.driver.quiet()

    @with_devices
    @act(which=WHICH, seconds=st.sampled_from([0, 5, 9, 11]), back=st.integers(0, 2))
    def refresh_wait_and_refresh(self, which: int, seconds: int, back: int) -> None:
        """A tab or a retry that comes so late, with the token it has."""
        device = pick(self.devices, which)
        self.keep(device, self.refreshing(device.refresh))
        self.step(seconds * SECOND)
        self.refresh_with_an_ancestor(which=which, back=back)

    @with_devices
    @act(which=WHICH, between=st.integers(0, 40), other=WHICH)
    def refresh_and_be_overtaken(self, which: int, between: int, other: int) -> None:
        """Something else happens wholly between question and answer."""
        device = pick(self.devices, which)
        token = device.refresh
        self.driver.users.meanwhile = self.something(between, other)
        answer = self.refreshing(token)
        self.driver.quiet()
        self.keep(device, answer)

    @act(who=WHICH, between=st.integers(0, 40), other=WHICH)
    def log_in_and_be_overtaken(self, who: int, between: int, other: int) -> None:
        account = pick(self.accounts, who)
        self.driver.users.meanwhile = self.something(between, other)
        self.logging_in(account)
        self.driver.quiet()

    @with_devices
    @act(which=WHICH, between=st.integers(0, 40), other=WHICH)
    def refresh_and_be_overtaken_at_last(
        self, which: int, between: int, other: int
    ) -> None:
        """Something happens between PostgreSQL's decision and the write to Redis."""
        device = pick(self.devices, which)
        token, happens = device.refresh, self.something(between, other)
        self.tick()
        early = self.model.before_asking(token)
        who = self.model.ask(token.session.account)
        answers: list[Answer] = [early] if early else []

        def decide() -> Access | None:
            if not answers:
                answers.append(self.model.refresh(token, who))
            return answers[0].access

        text = self.text_of(token)
        seen = self.interleaved(lambda: self.driver.refresh(text), decide, happens)
        self.compare(answers[0], seen)
        self.keep(device, answers[0])

    @with_devices
    @act(which=WHICH, between=st.integers(0, 40), other=WHICH)
    def verify_and_be_overtaken_at_last(
        self, which: int, between: int, other: int
    ) -> None:
        token, happens = pick(self.accesses, which), self.something(between, other)
        self.driver.lose(token.session.sid)  # or PostgreSQL is not asked
        self.model.keys.pop(token.session, None)
        self.tick()
        codes: list[str | None] = []

        def decide() -> Access | None:
            codes.append(self.model.verify(token))
            return None if codes[0] else token

        text = self.texts[token]
        seen = self.interleaved(lambda: self.driver.verify(text), decide, happens)
        self.compare(Answer(401, codes[0]) if codes[0] else Answer(200), seen)

    def interleaved(
        self,
        call: Callable[[], Seen],
        decide: Callable[[], Access | None],
        happens: Callable[[], None],
    ) -> Seen:
        """What was answered where, after the decision, something happens, and only then
        the session is marked as active."""
        decided = []

        def before_marking() -> None:
            access = decide()
            decided.append(access)
            happens()
            self.driver.clock.step(1000)
            self.model.now = self.driver.moment()
            if access:
                self.model.mark_active(access.session, access.exp)

        self.driver.before_marking = before_marking
        seen = call()
        self.driver.quiet()
        self.model.now = self.driver.moment()
        if not decided:
            decide()
        return seen

    def something(self, which: int, n: int) -> Callable[[], None]:
        if not self.devices:
            return lambda: self.change_password(who=n, fate="delivered", keep=n)
        acts: list[Callable[[], None]] = [
            lambda: self.refresh(which=n, lost=False),
            lambda: self.log_out(which=n, old=False),
            lambda: self.change_password(who=n, fate="delivered", keep=n),
            lambda: self.log_out_everywhere(which=n, keep=True),
            lambda: self.end_sessions(who=n, fate="late", by="active"),
            lambda: self.end_a_session(which=n, other=n),
            lambda: self.refresh_with_an_ancestor(which=n, back=1),
            lambda: self.flush(),
            lambda: self.verify(which=n),
            lambda: self.log_in(who=n, by_email=False),
            lambda: self.log_in_with_a_cookie(who=n, which=n, twice=False),
        ]
        return pick(acts, which)  # type: ignore[no-any-return]
