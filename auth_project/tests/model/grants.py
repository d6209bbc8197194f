"""Log-in and refresh, with all that may be presented."""

from hypothesis import strategies as st

from .machine import GARBAGE, OFTEN, WHICH, Device, Machine, act, pick, with_devices
from .records import CLEARED, Account, Answer, Refresh


class Grants(Machine):
    # ---- Log-in ------------------------------------------------------------------

    @act(who=WHICH, by_email=st.booleans())
    def log_in(self, who: int, by_email: bool) -> None:
        account = pick(self.accounts, who)
        self.logging_in(account, account.password, by_email)

    @act(who=WHICH, by_email=st.booleans())
    def log_in_with_a_wrong_password(self, who: int, by_email: bool) -> None:
        account = pick(self.accounts, who)
        self.logging_in(account, f"not {account.password}", by_email)

    @with_devices
    @act(who=WHICH, which=WHICH, twice=OFTEN)
    def log_in_with_a_cookie(self, who: int, which: int, twice: bool) -> None:
        """Of any session there ever was, of anybody, or (garbage) the same one twice.
        The browser's next refresh may still carry it."""
        account, token = pick(self.accounts, who), pick(self.refreshes, which)
        self.logging_in(account, account.password, token=token, twice=twice)
        self.refreshing(token)

    @act()
    def log_in_as_nobody(self) -> None:
        self.logging_in(Account("", "nobody", "a password of nobody"), "a password")

    def logging_in(
        self,
        account: Account,
        password: str,
        by_email: bool = False,
        token: Refresh | None = None,
        twice: bool = False,
    ) -> None:
        self.tick()
        named = {"email": account.email} if by_email else {"username": account.name}
        right = account.id and account.password == password
        who = self.model.ask(account if right else None)
        cookies = [self.text_of(token)] * (1 + twice) if token else []
        seen = self.driver.log_in({**named, "password": password}, *cookies)
        self.model.now = self.driver.moment()
        replaced = token.session if token and not twice else None
        answer = self.model.log_in(who, replaced)
        self.compare(answer, seen)
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

    @act(text=st.sampled_from(GARBAGE))
    def refresh_with_garbage(self, text: str) -> None:
        self.tick()
        self.compare(Answer(401, "token_invalid", CLEARED), self.driver.refresh(text))

    @act()
    def refresh_without_a_cookie(self) -> None:
        self.tick()
        self.compare(Answer(401, "token_missing"), self.driver.refresh())

    @with_devices
    @act(which=WHICH)
    def refresh_with_an_access_token(self, which: int) -> None:
        self.tick()
        text = self.texts[pick(self.accesses, which)]
        self.compare(Answer(401, "token_invalid", CLEARED), self.driver.refresh(text))

    @with_devices
    @act(which=WHICH, logout=st.booleans())
    def send_the_cookie_twice(self, which: int, logout: bool) -> None:
        self.tick()
        text = self.text_of(pick(self.refreshes, which))
        send = self.driver.log_out if logout else self.driver.refresh
        self.compare(Answer(401, "token_invalid", CLEARED), send(text, text))

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
