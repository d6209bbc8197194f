"""Tokens that no library would make: any header, any payload, any signature."""

import base64
import hashlib
import hmac
import json
from typing import Any

from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA256


def b64(octets: bytes) -> str:
    return base64.urlsafe_b64encode(octets).rstrip(b"=").decode()


def part(value: Any) -> str:
    """A part of a token: bytes as they are, all else as JSON (and as Python's)."""
    return b64(value if isinstance(value, bytes) else json.dumps(value).encode())


def unsigned(header: Any, payload: Any) -> str:
    return f"{part(header)}.{part(payload)}."


def rs256(header: Any, payload: Any, key: RSAPrivateKey) -> str:
    """Correctly signed, whatever the header says."""
    signed = f"{part(header)}.{part(payload)}"
    signature = key.sign(signed.encode(), PKCS1v15(), SHA256())
    return f"{signed}.{b64(signature)}"


def hs256(header: Any, payload: Any, secret: bytes) -> str:
    signed = f"{part(header)}.{part(payload)}"
    digest = hmac.new(secret, signed.encode(), hashlib.sha256).digest()
    return f"{signed}.{b64(digest)}"
