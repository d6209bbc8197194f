"""Checks of lifetimes and limits: tokens, sessions, guesses."""

import re
from collections.abc import Iterator
from typing import Any

from django.conf import settings
from django.core.checks import CheckMessage, Tags, register
from limits import RateLimitItem, parse, parse_many

from shared.checks.messages import SETTINGS, faults
from shared.keys.signing_keys import ALGORITHM
from shared.limits.defaults import CEILINGS

ISSUER = re.compile(r"https://[^/?#\s]+(/[^?#\s]*)?")  # RFC 8414 section 2
LEEWAYS = ("JWT_LEEWAY", "REFRESH_REUSE_LEEWAY")
# NIST SP 800-63B-4 section 2.1.3: log in again after 30 days at most, where a password
# is enough (AAL1). ASVS 5.0 7.1.1 wants reasons for longer.
LIFETIMES = ("REFRESH_TOKEN_LIFETIME", "SESSION_ABSOLUTE_LIFETIME")
LONGEST_SESSION = 30 * 24 * 3600


@register(Tags.security, SETTINGS, deploy=True)
def check_tokens(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    # simplejwt's default is HS256 with SECRET_KEY (TOK-01).
    ours = {"ALGORITHM": ALGORITHM, "SIGNING_KEY": None}
    options = getattr(settings, "SIMPLE_JWT", ours)
    yield from faults("E014", bool(ours.items() - options.items()))
    yield from faults("E015", not ISSUER.fullmatch(settings.JWT_ISSUER))
    yield from faults("E016", settings.ACCESS_TOKEN_LIFETIME > 3600)
    # Only the Auth Service has all of these.
    leeways = {name: getattr(settings, name, 0) for name in LEEWAYS}
    lifetimes = {name: getattr(settings, name, 0) for name in LIFETIMES}
    yield from faults("E017", [x for x in leeways if leeways[x] > 60])
    yield from faults("E028", [x for x in lifetimes if lifetimes[x] > LONGEST_SESSION])


@register(Tags.security, SETTINGS, deploy=True)
def check_limits(app_configs: Any, **kwargs: Any) -> Iterator[CheckMessage]:
    given: dict[str, str] = getattr(settings, "LIMITS", {})
    # A service's own limits have no ceiling.
    names = given.keys() & CEILINGS.keys()
    yield from faults("E029", sorted(x for x in names if is_absurd(x, given[x])))
    # Easy passwords can be guessed within the limits.
    yield from faults("E030", getattr(settings, "PASSWORD_MIN_SCORE", 2) < 2)


def is_absurd(name: str, text: str) -> bool:
    """Whether these limits together allow more than their ceiling."""
    ceiling = parse(CEILINGS[name])
    return min(most(item, ceiling) for item in parse_many(text)) > ceiling.amount


def most(item: RateLimitItem, ceiling: RateLimitItem) -> float:
    """The hits that a limit allows in the window of the ceiling. If its own window is
    longer, all its hits may fall into that of the ceiling."""
    windows = max(ceiling.get_expiry() / item.get_expiry(), 1)
    return item.amount * windows
