"""The refresh cookie: HttpOnly, SameSite=Strict, sent to the Auth Service alone."""

import time

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from shared.api.exceptions import TokenInvalid, TokenMissing
from tokens.jwt_tokens import RefreshToken

# A narrow path keeps it off every other route. It rules out the `__Host-` prefix.
PATH = "/api/v1/auth"

# By COOKIE_SECURE: browsers refuse `__Secure-` over plain http (RFC 6265bis 4.1.3).
NAMES = {True: "__Secure-refresh_token", False: "refresh_token"}


class CookieDoubled(TokenInvalid):
    """The refresh cookie was sent twice. Clearing it would remove the user's own, and
    leave a sibling's, which would be used next."""


def find_all(request: HttpRequest) -> list[str]:
    """The cookie's values: more than one if it was sent more than once."""
    pairs = request.META.get("HTTP_COOKIE", "").split(";")
    # No other space: a browser takes "\xa0a" for another name than "a".
    split = [pair.strip(" \t").partition("=") for pair in pairs]
    return [value for name, _, value in split if name == NAMES[settings.COOKIE_SECURE]]


def find(request: HttpRequest) -> str | None:
    """The cookie's value, or None. Raises CookieDoubled.

    A sibling domain can set a cookie of the same name for a wider domain, and we cannot
    control which of the two comes first (COOK-08).
    """
    values = find_all(request)
    if len(values) > 1:
        raise CookieDoubled("The refresh cookie was sent twice.")
    return values[0] if values else None


def read(request: HttpRequest) -> str:
    """The cookie's value. Raises TokenMissing if there is none."""
    value = find(request)
    if not value:
        raise TokenMissing("There is no refresh cookie.")
    return value


def write(response: HttpResponseBase, token: RefreshToken | None) -> None:
    """Set the cookie for as long as its token lasts; None deletes it.

    Both use the same attributes: `delete_cookie` would leave some out, and a browser
    would keep the cookie.
    """
    response.set_cookie(
        NAMES[settings.COOKIE_SECURE],
        str(token) if token else "",
        max_age=max(int(token["exp"] - time.time()), 0) if token else 0,
        expires=None if token else "Thu, 01 Jan 1970 00:00:00 GMT",
        path=PATH,
        secure=settings.COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )
