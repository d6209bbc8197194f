"""What a browser is asked for when a user logs in or steps up with a passkey."""

import base64
from collections.abc import Iterable
from typing import Any

from django.conf import settings

TIMEOUT = 300  # seconds, and those of the login that waits for it


def request_options(
    challenge: bytes, passkeys: Iterable[dict[str, Any]] = ()
) -> dict[str, Any]:
    """PublicKeyCredentialRequestOptionsJSON (WebAuthn Level 3 section 5.5). `passkeys`
    are {id, transports} of the user; without any, the user picks one of this site."""
    allowed = [{"type": "public-key", **each} for each in passkeys]
    return {
        "challenge": base64.urlsafe_b64encode(challenge).rstrip(b"=").decode(),
        "timeout": TIMEOUT * 1000,
        "rpId": settings.WEBAUTHN_RP_ID,
        "allowCredentials": allowed,
        "userVerification": "required",
    }
