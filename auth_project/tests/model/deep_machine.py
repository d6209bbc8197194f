"""The machine of the driver in this process: all acts and faults, and a look at what
the API does not show.
"""

from typing import Any
from uuid import uuid4

from tokens.models import Session as Row

from .factors import Factors
from .in_process import InProcess
from .machine import act
from .records import DAY, SECOND, Access, Account, Session, Terms, is_below
from .reference import Reference
from .surroundings import STALE

TERMS = Terms(refresh=7 * DAY, absolute=10 * DAY, cap=3)


class DeepMachine(Factors):
    driver: InProcess

    def __init__(self, driver: InProcess) -> None:
        super().__init__()
        self.driver = driver
        self.accounts = [new_account(number) for number in range(3)]
        driver.begin(self.accounts)
        self.model = Reference(TERMS, driver.moment())

    @act()
    def compare_the_table(self) -> None:
        rows = {str(row.id): row for row in Row.objects.all()}
        assert rows.keys() == {s.sid for s in self.model.sessions if not s.purged}
        for s in self.model.sessions:
            if not s.purged:
                self.compare_row(s, rows[s.sid])

    def compare_row(self, s: Session, row: Any) -> None:
        there = [row.rotated_at, row.last_used_at, row.expires_at, row.revoked_at]
        times = [None if each is None else micros(each) for each in there]
        assert times == [s.rotated, s.used, s.expires, s.revoked]
        assert row.user_epoch == s.epoch
        assert (row.acr, row.amr) == (s.acr, s.amr)
        moment = row.stepped_up_at and micros(row.stepped_up_at)
        assert moment == s.stepped_up

    @act()
    def compare_redis(self) -> None:
        """All sessions whose key does not expire just now."""
        for s in self.model.sessions:
            says, until = self.model.known(s), self.model.keys.get(s, (False, 0))[1]
            left = until - self.model.now
            if 0 < left < STALE:
                continue
            there = self.driver.says(s.sid)
            assert (there and there[0]) == says
            if there:
                assert abs(there[1] - left // SECOND) <= STALE // SECOND

    def check_bounds(self, token: Access) -> None:
        """The promises: what Redis does not know costs a sweep, or the life of a token
        where auth cannot write; a push that is lost costs the life of a token."""
        s, now, terms = token.session, self.model.now, self.model.terms
        if s.over:
            assert self.unswept
            assert now <= (s.revoked or 0) + terms.grace
        if is_below(s, s.account):
            assert now <= s.account.raised + terms.grace

    def teardown(self) -> None:
        self.driver.quiet()


def new_account(number: int) -> Account:
    return Account(str(uuid4()), f"user{number}", f"password {number}", ("editor",))


def micros(moment: Any) -> int:
    whole = int(moment.replace(microsecond=0).timestamp())
    return whole * SECOND + int(moment.microsecond)
