"""Verification of our tokens (RFC 7519, RFC 8725, RFC 9068), the same in every service.

Issuing them is the Auth Service's; see its module `tokens.tokens`.
"""

from typing import Any
from uuid import UUID

import jwt
from django.conf import settings

from shared import keys
from shared.exceptions import TokenExpired, TokenInvalid, TokenNotYetValid

# Explicit typing (RFC 8725 section 3.11): header `typ` by claim `token_type`. That of
# access tokens is RFC 9068's; none is registered for refresh tokens, so it is ours.
TYPES = {"access": "at+jwt", "refresh": "rt+jwt"}
REQUIRED_CLAIMS = ["iss", "aud", "sub", "sid", "jti", "iat", "exp", "token_type"]

# The longest token we would look at, in characters: ours have about 1200.
MAX_LENGTH = 4096


def decode(token: str, token_type: str, *, verify_exp: bool = True) -> dict[str, Any]:
    """Claims of a token of this type, issued by us for us.

    Without `verify_exp` an expired token will do (a session is ended by any of its
    tokens). Raises TokenExpired, TokenNotYetValid, or TokenInvalid for all else.
    """
    try:
        header = jwt.get_unverified_header(token[:MAX_LENGTH])
        check_header(header, token_type)
        claims: dict[str, Any] = jwt.decode(
            token,
            keys.verifying_keys()[header["kid"]],
            algorithms=[keys.ALGORITHM],
            audience=settings.JWT_AUDIENCE,
            issuer=settings.JWT_ISSUER,
            leeway=settings.JWT_LEEWAY,
            options={"require": REQUIRED_CLAIMS, "verify_exp": verify_exp},
        )
    except jwt.ExpiredSignatureError as exc:
        raise TokenExpired from exc
    except jwt.ImmatureSignatureError as exc:
        raise TokenNotYetValid from exc
    # Whatever a signed but odd token makes the library trip over is the token's fault
    # (exp beyond any clock, a list where a string belongs, a kid that is no string).
    except (jwt.PyJWTError, ValueError, TypeError, LookupError, ArithmeticError) as exc:
        raise TokenInvalid from exc
    check_claims(claims, token_type)
    return claims


def check_header(header: dict[str, Any], token_type: str) -> None:
    """The media type (RFC 9068 section 4: with or without `application/`)."""
    typ = str(header.get("typ", "")).lower().removeprefix("application/")
    if typ != TYPES[token_type]:
        raise TokenInvalid


def check_claims(claims: dict[str, Any], token_type: str) -> None:
    """What PyJWT does not: the kind of token, and that ids are ids."""
    if claims["token_type"] != token_type:
        raise TokenInvalid
    try:
        claims |= {name: str(UUID(claims[name])) for name in ("sub", "sid", "jti")}
    except (ValueError, TypeError, AttributeError) as exc:
        raise TokenInvalid from exc
