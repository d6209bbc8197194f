"""Verification of our tokens (RFC 7519, RFC 8725, RFC 9068), the same in every service.

The Auth Service issues them: see its module `tokens.jwt_tokens`.
"""

import json
import re
import time
from functools import lru_cache
from typing import Any

import jwt
from django.conf import settings
from jwt.utils import base64url_decode, base64url_encode

from shared.api.exceptions import TokenExpired, TokenInvalid, TokenNotYetValid
from shared.keys import keyring, signing_keys
from shared.metrics import tokens_not_yet_valid_total

# The header `typ` for each claim `token_type` (explicit typing, RFC 8725 section 3.11).
# RFC 9068 defines `at+jwt`. None is registered for the other two, so they are our own.
# An enrol token lets a user without a second factor add the first, and nothing else.
TYPES = {"access": "at+jwt", "refresh": "rt+jwt", "enrol": "enrol+jwt"}
REQUIRED_CLAIMS = {"iss", "aud", "sub", "sid", "jti", "iat", "exp", "token_type"}
# Extensions that we do not implement (RFC 7515 section 4.1.11, RFC 7797).
EXTENSIONS = {"crit", "b64"}

# The longest token that is parsed, in characters. Ours have about 1200, and more with
# many roles; the gateway takes headers of 8 KiB.
MAX_LENGTH = 7 * 1024
MAX_KID_LENGTH = 43  # characters of a thumbprint in base64url
UUID_FORM = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
LAST_DATE = 253402300799  # the end of the year 9999, the last that datetime knows


class StrictJWS(jwt.PyJWS):
    """PyJWS that accepts only the canonical base64url of RFC 7515 section 2.

    PyJWT also accepts padding, and its check of every single character costs as much
    as the signature. A segment that stays the same when it is decoded and encoded
    again has no padding, no foreign character and no second spelling.
    """

    @staticmethod
    def _decode_base64url_segment(segment: bytes, name: str) -> bytes:
        try:
            decoded = base64url_decode(segment)
        except ValueError as exc:
            raise jwt.DecodeError(f"Invalid {name}") from exc
        if base64url_encode(decoded) != segment:
            raise jwt.DecodeError(f"Invalid {name}")
        return decoded


# This module checks the claims itself, which takes half the time of PyJWT's checks.
jws = StrictJWS()


def decode(token: str, token_type: str, *, verify_times: bool = True) -> dict[str, Any]:
    """The claims of a token of this type that our issuer signed for our audience.

    Without `verify_times`, expired and not yet valid tokens are accepted too: any token
    of a session can end it. Raises TokenExpired, TokenNotYetValid, TokenInvalid for any
    other fault of the token; KeyFault or DependencyUnavailable if there are no keys.
    """
    key = find_key(token, token_type)
    try:
        payload = jws.decode(token, key, algorithms=signing_keys.ALGORITHMS)
        claims: dict[str, Any] = json.loads(payload)
    # Brackets nested thousands deep are a RecursionError.
    except (jwt.InvalidTokenError, ValueError, RecursionError) as exc:
        raise TokenInvalid from exc
    check_claims(claims, token_type)
    # Times come last: an expired token for another service is invalid, not expired.
    if verify_times:
        check_times(claims)
    return claims


def find_key(token: str, token_type: str) -> jwt.PyJWK:
    """The key that the header names, before its signature is verified. Raises
    TokenInvalid.

    Exceptions of the key source are not caught: missing keys are not the token's fault.
    """
    if len(token) > MAX_LENGTH or not token.isascii():
        raise TokenInvalid
    if not claims_type(token, token_type):
        raise TokenInvalid
    kid = parse_header(token.partition(".")[0]).get("kid")
    if not isinstance(kid, str) or len(kid) > MAX_KID_LENGTH:
        raise TokenInvalid
    key = keyring.verifying_keys().find(kid)
    if key is None:
        raise TokenInvalid
    return key


def claims_type(token: str, token_type: str) -> bool:
    """Whether the header's `typ` is the media type of this token type, with or without
    `application/` (RFC 9068 section 4). Raises TokenInvalid."""
    typ = parse_header(token.partition(".")[0]).get("typ")
    if not isinstance(typ, str):
        return False
    return typ.lower().removeprefix("application/") == TYPES[token_type]


def audience(token_type: str) -> str:
    """The `aud` of this type: all services, or those that accept enrol tokens."""
    return str(settings.JWT_AUDIENCE) + {"enrol": ":enrol"}.get(token_type, "")


@lru_cache(maxsize=32)
def parse_header(segment: str) -> dict[str, Any]:
    """The header, cached: tokens of one key share it. Callers must not modify it."""
    try:
        header = json.loads(base64url_decode(segment))
    except (ValueError, RecursionError) as exc:
        raise TokenInvalid from exc
    if not isinstance(header, dict) or not EXTENSIONS.isdisjoint(header):
        raise TokenInvalid
    return header


def check_claims(claims: Any, token_type: str) -> None:
    """Check the token type, the issuer, the audience and the types of the claims that
    callers use (RFC 7519 section 4.1). Raises TokenInvalid."""
    if not isinstance(claims, dict) or not claims.keys() >= REQUIRED_CLAIMS:
        raise TokenInvalid
    if claims["token_type"] != token_type or not is_for_us(claims, token_type):
        raise TokenInvalid
    if not (has_ids(claims) and has_dates(claims) and has_profile(claims)):
        raise TokenInvalid


def is_for_us(claims: dict[str, Any], token_type: str) -> bool:
    """Whether `iss` is our issuer and `aud` contains our audience."""
    aud = claims["aud"]
    audiences = aud if isinstance(aud, list) else [aud]
    return (
        claims["iss"] == settings.JWT_ISSUER
        and all(isinstance(each, str) for each in audiences)
        and audience(token_type) in audiences
    )


def has_ids(claims: dict[str, Any]) -> bool:
    """Whether user, session and token are UUIDs, in the form that we write."""
    ids = claims["sub"], claims["sid"], claims["jti"]
    return all(type(each) is str and UUID_FORM.fullmatch(each) for each in ids)


def check_times(claims: dict[str, Any]) -> None:
    """Check `iat`, `nbf` and `exp`, with the leeway (RFC 7519 sections 4.1.4 to 4.1.6).
    Raises TokenNotYetValid, TokenExpired."""
    now, leeway = time.time(), settings.JWT_LEEWAY
    if max(claims["iat"], claims.get("nbf", 0)) > now + leeway:
        tokens_not_yet_valid_total.inc()
        raise TokenNotYetValid
    if claims["exp"] <= now - leeway:
        raise TokenExpired


def has_dates(claims: dict[str, Any]) -> bool:
    """Whether the times are whole seconds between the years 1970 and 9999."""
    dates = [claims["iat"], claims["exp"]]
    dates += [claims.get(name, 0) for name in ("nbf", "auth_time")]
    return all(type(date) is int and 0 <= date <= LAST_DATE for date in dates)


def has_profile(claims: dict[str, Any]) -> bool:
    """Whether the optional claims about the user are strings or lists of strings, the
    epoch is a number, and `email_verified` is true or false (OpenID Connect Core 1.0
    section 5.1)."""
    roles, amr = claims.get("roles", []), claims.get("amr", [])
    is_verified = claims.get("email_verified", False)
    if not isinstance(is_verified, bool) or type(claims.get("epoch", 0)) is not int:
        return False
    if not isinstance(roles, list) or not isinstance(amr, list):
        return False
    names = [claims.get(name, "") for name in ("email", "username", "acr")]
    return all(isinstance(name, str) for name in (*names, *roles, *amr))
