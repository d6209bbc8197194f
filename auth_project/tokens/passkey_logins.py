"""Logging in with a passkey, without a name or a password."""

import time
from typing import Any

from shared.api.exceptions import InvalidCredentials, LoginSettled, TokenInvalid
from shared.clients import users_client
from shared.keys import keyring
from tokens.logins import open_pending
from tokens.models import Login
from tokens.pending_logins import LIFETIME
from tokens.services import Client, Grant


def options() -> dict[str, Any]:
    """What such a login begins with. It says nothing about any user."""
    login = Login.objects.begin(Login.Purpose.PASSKEY)
    asked = login.request_options([])
    return {"login": login.text, "expires_in": LIFETIME, "passkey": asked}


def log_in(text: str, credential: dict[str, Any], client: Client) -> Grant:
    """Open the session of the user whose passkey has signed the challenge of a pending
    login, as `logins.log_in` does.

    Raises InvalidCredentials, whatever is wrong; DependencyUnavailable, Overloaded.
    """
    issued_at = int(time.time())
    keyring.signing_key()  # or nothing is changed: there would be no answer to it
    try:
        login = Login.objects.attempt(text, Login.Purpose.PASSKEY)
        signed = {"challenge": login.challenge_text, "credential": credential}
        seen = {"ip": client.ip, "user_agent": client.user_agent}
        proof = {**signed, "client": seen, "device": client.device}
        user = users_client().verify_passkey(proof)
        amr = " ".join([*user["amr"], "mfa"])
        return open_pending(login, user, amr, client, issued_at)
    except (LoginSettled, TokenInvalid) as exc:
        raise InvalidCredentials from exc
