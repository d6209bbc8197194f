"""Reading a JWK Set (RFC 7517) that somebody sent: what in it we verify with."""

import json
from collections import Counter
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from jwt import PyJWK, PyJWTError

from shared.keys import signing_keys
from shared.structured_logging import dependency_logger

PRIVATE_MEMBERS = {"d", "p", "q", "dp", "dq", "qi", "oth", "k"}  # RFC 7518 section 6


class KeySetFault(ValueError):
    """This is no JWK Set that has a key for us."""


class Unusable(ValueError):
    """A member of a set is no key of ours. Says why, in words of our own."""


def read(document: bytes) -> dict[str, PyJWK]:
    """The good keys of a set by kid, at least one; others are left out and logged.

    Raises KeySetFault.
    """
    found: dict[str, PyJWK] = {}
    left_out: Counter[str] = Counter()
    for member in members(document):
        try:
            key = verifying_key(member)
            found[member["kid"]] = key
        except Unusable as exc:
            left_out[str(exc)] += 1
    if left_out:
        dependency_logger.warning(
            "the JWK Set has members that are left out: %s",
            ", ".join(f"{count} ({reason})" for reason, count in left_out.items()),
            extra={"event": "jwks"},
        )
    if not found:
        raise KeySetFault("no usable key")
    return found


def members(document: bytes) -> list[Any]:
    try:
        key_set = json.loads(document)
    # Brackets in brackets, thousands deep, are a RecursionError.
    except (ValueError, RecursionError) as exc:
        raise KeySetFault("not JSON") from exc
    if not isinstance(key_set, dict) or not isinstance(key_set.get("keys"), list):
        raise KeySetFault("not a JWK Set")
    return list(key_set["keys"])


def verifying_key(member: Any) -> PyJWK:
    """The key, bound to the one algorithm whatever a token says. Raises Unusable."""
    if not isinstance(member, dict):
        raise Unusable("no object")
    # Whoever publishes the private half gives it away.
    if not PRIVATE_MEMBERS.isdisjoint(member):
        raise Unusable("private")
    for name, value in ("kty", "RSA"), ("alg", signing_keys.ALGORITHM), ("use", "sig"):
        if member.get(name) != value:
            raise Unusable(name)
    try:
        key = PyJWK(member, signing_keys.ALGORITHM)
    except (PyJWTError, ValueError, TypeError, AttributeError) as exc:
        raise Unusable("malformed") from exc
    check(member.get("kid"), key.key)
    return key


def check(kid: Any, key: RSAPublicKey) -> None:
    """A key's size, and that it is named by its thumbprint. Raises Unusable."""
    if not signing_keys.MINIMUM_BITS <= key.key_size <= signing_keys.MAXIMUM_BITS:
        raise Unusable("size")
    if kid != signing_keys.thumbprint(key):
        raise Unusable("kid")
