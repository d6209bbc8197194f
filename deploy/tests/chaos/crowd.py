"""A person with an account and a few devices, who does one thing after the other."""

import math
import threading
import time
from concurrent.futures import ThreadPoolExecutor

from deploy.tests.chaos.accounts import AccountHolder

# How often each is done, out of their sum.
HABITS = {
    "me": 30,
    "verify": 14,
    "renew": 14,
    "tabs": 5,
    "old_tab": 4,
    "log_in": 9,
    "wrong_password": 1,
    "log_out": 7,
    "log_out_all": 2,
    "change_password": 2,
    "replay": 2,
}


class Person(AccountHolder):
    """Does what `HABITS` say, what is overdue first."""

    def live(self, ending: threading.Event, pause: float, tabs: ThreadPoolExecutor):
        """Register, then do something every `pause` seconds until the end."""
        self.account = self.ledger.new_account()
        self.pool = tabs
        while not self.register() and not ending.wait(pause):
            continue
        due = time.monotonic()
        while not ending.wait(max(0.0, due - time.monotonic())):
            self.do_something()
            due = max(due + pause, time.monotonic() - pause)

    def do_something(self) -> None:
        """What is overdue first: a refresh or a logout that was not answered."""
        now = time.monotonic()
        for session in list(self.account.sessions):
            if session.retry_at <= now:
                self.log_out(session) if session.leaving else self.renew(session)
                return
        usable = [s for s in self.account.sessions if s.retry_at == math.inf]
        habit = self.rng.choices([*HABITS], [*HABITS.values()])[0]
        if habit == "verify" and not self.target.verifies:
            habit = "me"
        if habit in ("log_in", "wrong_password"):
            getattr(self, habit)()
        elif usable:
            getattr(self, habit)(self.rng.choice(usable))
        else:
            self.log_in()
