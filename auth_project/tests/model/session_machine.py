"""The acts of people, drawn by hypothesis, done in the system and in the model, with
every answer compared. What is here holds for any driver.
"""

from hypothesis.stateful import initialize

from .ends import Ends
from .grants import Grants
from .questions import Questions


class SessionMachine(Grants, Ends, Questions):
    """Subclasses give `driver` and `model`, and acts that only their driver can do."""

    @initialize()
    def begin(self) -> None:
        """Most acts need somebody who is logged in."""
        for account in (*self.accounts, self.accounts[0]):
            self.logging_in(account, account.password)
