"""Clocks that have to agree: tokens are good from `iat` on, give or take JWT_LEEWAY."""

import time

from django.conf import settings

from shared.doctor import Finding, judge

ROUNDING = 1.5  # seconds: HTTP's Date has no fractions, and an answer takes a moment


def compare(identity: str, whose: str, their_time: float) -> Finding:
    """Another clock beside this process's, both in seconds since the epoch."""
    apart = abs(their_time - time.time())
    return judge(
        identity,
        apart <= settings.JWT_LEEWAY + ROUNDING,
        f"the clock of {whose} agrees",
        f"the clock of {whose} is {apart:.0f} s off, JWT_LEEWAY is "
        f"{settings.JWT_LEEWAY} s: tokens are refused",
        "Keep time (NTP) on every machine.",
    )
