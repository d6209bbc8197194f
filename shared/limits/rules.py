"""What is limited, and to how much: every default in one place (docs/limits.md).

Each is a setting, and a variable of the environment, of the same name: `10/60` is ten
in a minute, 0 turns it off.
"""

from collections.abc import Mapping
from typing import NamedTuple

from django.conf import settings


class Limit(NamedTuple):
    """At most so many in so many seconds; no limit where `most` is 0."""

    most: int
    seconds: int

    def __str__(self) -> str:
        return f"{self.most}/{self.seconds}"


DEFAULTS = {
    # Attempts that failed or are under way, from one address (IPv6: from one /64).
    "LOGIN_LIMIT_PER_ADDRESS": Limit(10, 60),
    # Failures of one account from one address. After the last of them comes a wait of a
    # fifteenth of the time, doubled by each further failure up to the whole of it.
    "LOGIN_LIMIT_PER_PAIR": Limit(5, 900),
    # Failures of one account in a row, wherever they come from (NIST SP 800-63B-4,
    # 3.2.2: 100 at most). Forgotten after that time without one.
    "LOGIN_LIMIT_PER_ACCOUNT": Limit(100, 24 * 3600),
    # What gets through beyond that, from addresses the account is not known from.
    "LOGIN_TRICKLE": Limit(1, 3600),
    # Failures of everybody together. It also bounds what attacks take of Redis: an
    # account that failed is 150 bytes for a day, a day of this rate 64 MB.
    "LOGIN_LIMIT_GLOBAL": Limit(300, 60),
    # Different accounts that may fail from one network (IPv4: /24, IPv6: /64), and how
    # many attempts are left to the network when there are more.
    "LOGIN_LIMIT_SPRAYING": Limit(30, 3600),
    "LOGIN_LIMIT_WHILE_SPRAYING": Limit(3, 60),
    "REFRESH_LIMIT_PER_SESSION": Limit(30, 60),
    "REFRESH_LIMIT_PER_ADDRESS": Limit(120, 60),
    # Accounts made, or refused since there is one of that name (REG-03).
    "REGISTRATION_LIMIT_PER_ADDRESS": Limit(5, 3600),
    "REGISTRATION_LIMIT_GLOBAL": Limit(1000, 3600),
    # Wrong current passwords of one user; waits grow as at log-in.
    "PASSWORD_LIMIT_PER_USER": Limit(5, 900),
    # Passwords that one service may ask the User Service about: against one run wild.
    "VERIFY_LIMIT_PER_CALLER": Limit(30000, 60),
}


def of(name: str) -> Limit:
    """The limit of this name, as the settings have it."""
    limits: Mapping[str, Limit] = settings.LIMITS
    return limits[name]
