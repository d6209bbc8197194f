"""What only a running service can tell: system checks for `manage.py doctor`.

The command imports the module `diagnostics` of every app, which registers them. So no
other command runs them: `migrate` would do so as the owner of the database.
"""

import time
from collections.abc import Callable, Iterable
from contextvars import ContextVar
from typing import Any

from django.conf import settings
from django.core.checks import ERROR, INFO, CheckMessage, register

# Some questions only Redis's administrator may ask.
redis_admin_password: ContextVar[str] = ContextVar("redis_admin_password", default="")

CLOCK = ("clock", "Keep time with NTP on every machine.")
ROUNDING = 1.5  # seconds: HTTP's Date has no fractions, and an answer takes a moment

# Returns what is found in place of what is stated; nothing where that holds.
Examine = Callable[[], str | Iterable[str]]

STATEMENTS: dict[str, tuple[str, str]] = {}  # by id: tag, and what has to hold


def diagnostic(
    tag: str, identity: str, statement: str, hint: str, *, note: bool = False
) -> Callable[[Examine], Examine]:
    """Register a function that examines whether a statement holds."""
    STATEMENTS[identity] = tag, statement

    def decorate(examine: Examine) -> Examine:
        def check(app_configs: Any, **kwargs: Any) -> list[CheckMessage]:
            if not kwargs.get("databases"):  # As Django's own checks of databases do.
                return []
            try:
                found = examine()
                found = found if isinstance(found, str) else ", ".join(found)
            except Exception as exc:  # noqa: BLE001 - the others are still examined
                text = f"{statement}: could not be examined: {type(exc).__name__}"
                hint_of_all = "Is everything up? ./manage_all.sh status"
                return [CheckMessage(ERROR, text, hint=hint_of_all, id=identity)]
            level, text = INFO if note else ERROR, f"{statement}: {found}"
            return [CheckMessage(level, text, hint=hint, id=identity)] if found else []

        register(check, tag)
        return examine

    return decorate


def clock_fault(their_time: float) -> str:
    """How far another clock is from the one here, in seconds since the epoch."""
    difference = abs(their_time - time.time())
    leeway = settings.JWT_LEEWAY
    agrees = difference <= leeway + ROUNDING
    return "" if agrees else f"it is {difference:.0f} s off, JWT_LEEWAY is {leeway} s"
