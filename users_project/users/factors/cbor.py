"""CBOR of authenticators, looked at before it is decoded.

cbor2 decodes shared values, regular expressions and mails, by tags (RFC 8949 section
3.4). py_webauthn decodes all of it before any signature, and encodes it again: some
hundred bytes would become gigabytes. It has no option against that.
"""

from typing import Any

ATTESTED = 0x40  # flag AT (WebAuthn Level 3 section 6.1)
# By the low bits of a head: the least number that needs so many bytes.
LEAST = {24: 24, 25: 1 << 8, 26: 1 << 16, 27: 1 << 32}
SIMPLE = (20, 21, 22)  # false, true, null


def is_canonical(data: bytes) -> bool:
    """Whether all of this is in the form that WebAuthn and CTAP2 ask for: no tag, no
    indefinite length, the shortest heads. Nor a float, which no authenticator sends."""
    position = 0
    while position < len(data):
        kind, low = divmod(data[position], 32)
        start = position + 1
        end = start + (1 << low - 24 if low in LEAST else 0)
        number = int.from_bytes(data[start:end], "big") if low in LEAST else low
        if kind == 6 or low > 27 or number < LEAST.get(low, 0):
            return False
        if kind == 7 and low not in SIMPLE:
            return False
        position = end + (number if kind in (2, 3) else 0)  # the bytes of a string
    return True


def is_canonical_in(authenticator_data: Any) -> bool:
    """The same of the public key and the extensions in authenticator data."""
    flags, key = authenticator_data[32:33], 37
    if flags and flags[0] & ATTESTED:
        key = 55 + int.from_bytes(authenticator_data[53:55], "big")
    return is_canonical(authenticator_data[key:])
