"""The refresh cookie: HttpOnly, SameSite=Strict, sent to the Auth Service alone."""

import time

from django.conf import settings
from django.http import HttpRequest, HttpResponseBase

from shared.api.exceptions import TokenInvalid, TokenMissing
from tokens.jwt_tokens import RefreshToken

# A narrow path keeps it off every other route. It rules out the `__Host-` prefix.
PATH = "/api/v1/auth"


def name() -> str:
    """Its name: browsers refuse `__Secure-` over plain http (RFC 6265bis 4.1.3)."""
    return "__Secure-refresh_token" if settings.COOKIE_SECURE else "refresh_token"


def find(request: HttpRequest) -> str | None:
    """The cookie's value, or None. Raises TokenInvalid if it was sent twice.

    A sibling domain can set one of the same name for a wider domain, and which of two
    comes first is not ours to say (COOK-08).
    """
    pairs = request.META.get("HTTP_COOKIE", "").split(";")
    values = [v for n, _, v in (p.strip().partition("=") for p in pairs) if n == name()]
    if len(values) > 1:
        raise TokenInvalid("The refresh cookie was sent twice.")
    return values[0] if values else None


def find_single(request: HttpRequest) -> str | None:
    """The cookie's value, or None where there is not exactly one."""
    try:
        return find(request)
    except TokenInvalid:
        return None


def read(request: HttpRequest) -> str:
    """The cookie's value. Raises TokenMissing where there is none."""
    value = find(request)
    if not value:
        raise TokenMissing("There is no refresh cookie.")
    return value


def write(response: HttpResponseBase, token: RefreshToken) -> None:
    """Set the cookie for as long as its token lasts."""
    set_cookie(response, str(token), max(int(token["exp"] - time.time()), 0))


def clear(response: HttpResponseBase) -> None:
    """Delete the cookie, with the attributes it was set with (`delete_cookie` would
    leave some out, and a browser would keep it)."""
    set_cookie(response, "", 0, expires="Thu, 01 Jan 1970 00:00:00 GMT")


def set_cookie(
    response: HttpResponseBase, value: str, max_age: int, expires: str | None = None
) -> None:
    response.set_cookie(
        name(),
        value,
        max_age=max_age,
        expires=expires,
        path=PATH,
        secure=settings.COOKIE_SECURE,
        httponly=True,
        samesite="Strict",
    )
