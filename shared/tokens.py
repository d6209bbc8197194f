"""Verification of our tokens (RFC 7519, RFC 8725, RFC 9068), the same in every service.

Issuing them is the Auth Service's; see its module `tokens.tokens`.
"""

from typing import Any
from uuid import UUID

import jwt
from django.conf import settings

from shared import keyring, keys
from shared.exceptions import TokenExpired, TokenInvalid, TokenNotYetValid

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
    key = find_key(token, token_type)
    try:
        claims: dict[str, Any] = jwt.decode(
            token,
            key,
            algorithms=keys.ALGORITHMS,
            audience=settings.JWT_AUDIENCE,
            issuer=settings.JWT_ISSUER,
            leeway=settings.JWT_LEEWAY,
            options={
                "require": REQUIRED_CLAIMS,
                "verify_exp": verify_times,
                "verify_iat": verify_times,
                "verify_nbf": verify_times,
            },
        )
    except jwt.ExpiredSignatureError as exc:
        raise TokenExpired from exc
    except jwt.ImmatureSignatureError as exc:
        raise TokenNotYetValid from exc
    # Whatever a signed but odd token makes the library trip over is the token's fault
    # (exp beyond any clock, a list where a string belongs).
    except (jwt.PyJWTError, ValueError, TypeError, LookupError, ArithmeticError) as exc:
        raise TokenInvalid from exc
    check_claims(claims, token_type)
    return claims


def find_key(token: str, token_type: str) -> jwt.PyJWK:
    """The key that the header names, bound to its algorithm. Raises TokenInvalid.

    What the source of the keys raises passes: what we lack is no fault of the token.
    """
    try:
        header = jwt.get_unverified_header(token)
    except (jwt.PyJWTError, ValueError, TypeError) as exc:
        raise TokenInvalid from exc
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
    """What PyJWT does not: the kind of token, and the types of what is relied on."""
    if claims["token_type"] != token_type:
        raise TokenInvalid
    if not (has_dates(claims) and has_profile(claims)):
        raise TokenInvalid
    try:
        claims |= {name: str(UUID(claims[name])) for name in ("sub", "sid", "jti")}
    except (ValueError, TypeError, AttributeError) as exc:
        raise TokenInvalid from exc


def has_dates(claims: dict[str, Any]) -> bool:
    """Whether the times are whole seconds that a clock may show."""
    dates = [claims["iat"], claims["exp"]]
    return all(type(date) is int and 0 <= date <= LAST_DATE for date in dates)


def has_profile(claims: dict[str, Any]) -> bool:
    """Whether the claims about the user, each of which may be absent, are strings."""
    roles = claims.get("roles", [])
    if not isinstance(roles, list):
        return False
    names = [claims.get("email", ""), claims.get("username", ""), *roles]
    return all(isinstance(name, str) for name in names)
