"""The options that a browser receives for a login or a step-up with a passkey."""

from collections.abc import Iterable
from typing import Any

from django.conf import settings
from jwt.utils import base64url_encode

TIMEOUT = 300  # seconds; also the lifetime of a pending login


def request_options(
    challenge: bytes, passkeys: Iterable[dict[str, Any]] = ()
) -> dict[str, Any]:
    """PublicKeyCredentialRequestOptionsJSON (WebAuthn Level 3 section 5.5). `passkeys`
    are {id, transports} of the user; without any, the user picks one of this site."""
    options: dict[str, Any] = {
        "challenge": base64url_encode(challenge).decode(),
        "timeout": TIMEOUT * 1000,
        "rpId": settings.WEBAUTHN_RP_ID,
        "userVerification": "required",
    }
    if allowed := [{"type": "public-key", **each} for each in passkeys]:
        options["allowCredentials"] = allowed
    return options
