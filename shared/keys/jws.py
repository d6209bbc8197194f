"""Signed tokens in compact serialization (RFC 7515), taken apart and verified.

Every request of every service goes through here, and of the time that PyJWT's `decode`
takes the signature is a third. The signature itself is still PyJWT's to verify; what is
left out is what we do not have: other serializations, and extensions.
"""

import json
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import dataclass
from typing import Any

from jwt import PyJWK

from shared.keys import signing_keys

# Whoever uses these means what we do not know (RFC 7515 section 4.1.11, RFC 7797).
EXTENSIONS = {"crit", "b64"}


class Malformed(ValueError):
    """This is no token that we would write, or its signature is not the key's."""


@dataclass(frozen=True)
class Token:
    """The parts of a compact serialization. Nothing in it is true before `claims`."""

    header: dict[str, Any]
    payload: bytes
    signing_input: bytes
    signature: bytes

    def claims(self, key: PyJWK) -> dict[str, Any]:
        """The payload, if `key` has signed it with the algorithm that it is bound to,
        whatever the header says (RFC 8725 section 3.1). Raises Malformed."""
        algorithm = self.header.get("alg")
        if algorithm not in signing_keys.ALGORITHMS or algorithm != key.algorithm_name:
            raise Malformed("algorithm")
        if not key.Algorithm.verify(self.signing_input, key.key, self.signature):
            raise Malformed("signature")
        return parsed(self.payload)


def parse(token: str) -> Token:
    """The token with its parts (RFC 7515 section 3.1). Raises Malformed."""
    try:
        signing_input, signature = token.encode("ascii").rsplit(b".", 1)
        header, payload = signing_input.split(b".")
    except ValueError as exc:
        raise Malformed("segments") from exc
    fields = parsed(octets(header))
    if not EXTENSIONS.isdisjoint(fields):
        raise Malformed("extensions")
    return Token(fields, octets(payload), signing_input, octets(signature))


def octets(segment: bytes) -> bytes:
    """What base64url encodes, without padding (RFC 7515 section 2). Raises Malformed.

    Python's decoder skips what it does not know. So the way back must lead to the very
    same text, which also leaves a token only one way of being written.
    """
    try:
        decoded = urlsafe_b64decode(segment + b"==")
    except ValueError as exc:
        raise Malformed("base64") from exc
    if urlsafe_b64encode(decoded).rstrip(b"=") != segment:
        raise Malformed("base64")
    return decoded


def parsed(text: bytes) -> dict[str, Any]:
    """A JSON object. Raises Malformed."""
    try:
        found = json.loads(text)
    # Brackets in brackets, thousands deep, are a RecursionError.
    except (ValueError, RecursionError) as exc:
        raise Malformed("JSON") from exc
    if not isinstance(found, dict):
        raise Malformed("JSON")
    return found
