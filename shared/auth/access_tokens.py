"""Verification of our tokens (RFC 7519, RFC 8725, RFC 9068), the same in every service.

Issuing them is the Auth Service's; see its module `tokens.jwt_tokens`.
"""

import time
from typing import Any
from uuid import UUID

from django.conf import settings
from jwt import PyJWK

from shared.api.exceptions import TokenExpired, TokenInvalid, TokenNotYetValid
from shared.keys import jws, keyring

# Explicit typing (RFC 8725 section 3.11): header `typ` by claim `token_type`. That of
# access tokens is RFC 9068's; none is registered for refresh tokens, so it is ours.
TYPES = {"access": "at+jwt", "refresh": "rt+jwt"}
REQUIRED_CLAIMS = ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "token_type"]

# The longest token we would look at, in characters. Ours have about 1200, and more with
# many roles; the gateway takes headers of 8 KiB.
MAX_LENGTH = 7 * 1024
MAX_KID_LENGTH = 43  # of a thumbprint
LAST_DATE = 253402300799  # the end of the year 9999, the last that datetime knows


def decode(token: str, token_type: str, *, verify_times: bool = True) -> dict[str, Any]:
    """Claims of a token of this type, issued by us for us.

    Without `verify_times` an expired token will do, or one from a clock that runs
    ahead (a session is ended by any of its tokens). Raises TokenExpired,
    TokenNotYetValid, or TokenInvalid for all else; KeyFault or Unavailable where
    there are no keys.
    """
    if len(token) > MAX_LENGTH:
        raise TokenInvalid
    try:
        parts = jws.parse(token)
        key = find_key(parts.header, token_type)
        claims = parts.claims(key)
    except jws.Malformed as exc:
        raise TokenInvalid from exc
    check_claims(claims, token_type)
    if verify_times:
        check_times(claims)
    return claims


def find_key(header: dict[str, Any], token_type: str) -> PyJWK:
    """The key that the header names. Raises TokenInvalid.

    What the source of the keys raises passes: what we lack is no fault of the token.
    """
    check_header(header, token_type)
    kid = header.get("kid")
    if not isinstance(kid, str) or len(kid) > MAX_KID_LENGTH:
        raise TokenInvalid
    key = keyring.verifying_keys().find(kid)
    if key is None:
        raise TokenInvalid
    return key


def check_header(header: dict[str, Any], token_type: str) -> None:
    """The media type (RFC 9068 section 4: with or without `application/`)."""
    typ = str(header.get("typ", "")).lower().removeprefix("application/")
    if typ != TYPES[token_type]:
        raise TokenInvalid


def check_claims(claims: dict[str, Any], token_type: str) -> None:
    """By whom and for whom it was issued, the kind of token, and the types of what is
    relied on (RFC 7519 section 4.1)."""
    if any(claims.get(name) is None for name in REQUIRED_CLAIMS):
        raise TokenInvalid
    if claims["iss"] != settings.JWT_ISSUER or not is_for_us(claims["aud"]):
        raise TokenInvalid
    if claims["token_type"] != token_type:
        raise TokenInvalid
    if not (has_dates(claims) and has_profile(claims)):
        raise TokenInvalid
    try:
        claims |= {name: str(UUID(claims[name])) for name in ("sub", "sid", "jti")}
    except (ValueError, TypeError, AttributeError) as exc:
        raise TokenInvalid from exc


def check_times(claims: dict[str, Any]) -> None:
    """Between its times, give or take the leeway. Raises TokenNotYetValid, TokenExpired
    (RFC 7519 sections 4.1.4 to 4.1.6)."""
    now, leeway = time.time(), settings.JWT_LEEWAY
    if max(claims["iat"], claims.get("nbf", 0)) > now + leeway:
        raise TokenNotYetValid
    if claims["exp"] <= now - leeway:
        raise TokenExpired


def is_for_us(audience: Any) -> bool:
    """Whether `aud` is, or has among others, our audience (RFC 7519 section 4.1.3)."""
    listed = audience if isinstance(audience, list) else [audience]
    return settings.JWT_AUDIENCE in listed and all(type(one) is str for one in listed)


def has_dates(claims: dict[str, Any]) -> bool:
    """Whether the times are whole seconds that a clock may show."""
    dates = [claims["iat"], claims["exp"], claims.get("nbf", 0)]
    return all(type(date) is int and 0 <= date <= LAST_DATE for date in dates)


def has_profile(claims: dict[str, Any]) -> bool:
    """Whether the claims about the user, each of which may be absent, are strings."""
    roles = claims.get("roles", [])
    if not isinstance(roles, list):
        return False
    names = [claims.get("email", ""), claims.get("username", ""), *roles]
    return all(isinstance(name, str) for name in names)
