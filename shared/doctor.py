"""Checks of a running service, which `manage.py doctor` runs.

The command imports the module `diagnostics` of every app, which registers them. They
are not registered in other commands: `migrate` would run them as the database's owner.
"""

import time
from collections.abc import Callable
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.core.checks import DEBUG, ERROR, INFO, CheckMessage, Tags, register

# Only the administrator of Redis may read its configuration.
redis_admin_password: ContextVar[str] = ContextVar("redis_admin_password", default="")

NTP = "Keep time with NTP on every machine."
ROUNDING = 1.5  # seconds: HTTP's Date has no fractions, and an answer takes a moment

# Returns the fault, "" if the statement holds, or None if that cannot be seen, which is
# reported as a note.
Examine = Callable[[], str | None]


def diagnostic(
    identity: str, statement: str, hint: str, *, note: bool = False
) -> Callable[[Examine], Examine]:
    """Register a function that examines whether a statement holds. If it does, the
    check returns a message of the level DEBUG."""

    def decorate(examine: Examine) -> Examine:
        def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
            if not kwargs["databases"]:  # As Django's own checks of databases do.
                return []
            level = INFO if note else ERROR
            try:
                found = examine()
            except Exception as exc:  # noqa: BLE001 - the others are still examined
                level, found = ERROR, f"not examined because of {type(exc).__name__}"
            if found is None:
                level, found = INFO, "this could not be examined"
            if not found:
                return [CheckMessage(DEBUG, statement, id=identity)]
            return [CheckMessage(level, f"{statement}: {found}", hint, id=identity)]

        register(check, Tags.database)
        return examine

    return decorate


def clock_fault(their_time: float) -> str:
    """How far another clock, in seconds since the epoch, is off; empty if it agrees."""
    difference = abs(their_time - time.time())
    leeway = settings.JWT_LEEWAY
    agrees = difference <= leeway + ROUNDING
    return "" if agrees else f"it is {difference:.0f} s off, JWT_LEEWAY is {leeway} s"
