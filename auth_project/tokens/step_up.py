"""Stepping up: a user with a session proves again who they are (RFC 9470)."""

import time
from typing import Any

from shared.api.exceptions import TokenRevoked, UserNotFound
from shared.auth.authentication import TokenUser
from shared.clients import users_client
from shared.keys import keyring
from shared.structured_logging import audit
from tokens.jwt_tokens import AccessToken
from tokens.logins import verify_factor
from tokens.models import PendingLogin, Session
from tokens.revocation import end_session
from tokens.services import Client, Grant, audit_context, mark_active


def options(caller: TokenUser) -> dict[str, Any]:
    """How this session can step up: with a factor of its user or, if there is none,
    with the password. Raises TokenRevoked, DependencyUnavailable, Overloaded."""
    try:
        factors = users_client().factors(caller.id)
    except UserNotFound as exc:
        end_session(caller.sid, "user_gone")
        raise TokenRevoked from exc
    session = Session.objects.live().filter(id=caller.sid).first()
    if session is None:
        raise TokenRevoked
    columns = {"user_id": session.user_id, "user_epoch": session.user_epoch}
    login = PendingLogin.objects.begin(
        PendingLogin.Purpose.STEP_UP, sid=session.id, **columns
    )
    password = ["password"] if factors["has_password"] else []
    return login.invitation(factors["methods"] or password, factors["passkeys"])


def step_up(
    caller: TokenUser, text: str, proof: dict[str, Any], client: Client
) -> Grant:
    """Verify a factor or the password, and set the session's level and time. The new
    access token and all later ones have both. The refresh token stays.

    Raises SecondFactorInvalid, InvalidCredentials (a password), LoginSettled,
    RateLimited, TokenInvalid (start over), DependencyUnavailable, Overloaded.
    """
    issued_at = int(time.time())
    keyring.signing_key()
    login = PendingLogin.objects.attempt(
        text, PendingLogin.Purpose.STEP_UP, sid=caller.sid
    )
    # Guesses at a password are also counted by session.
    user = verify_factor(login, {**proof, "sid": str(caller.sid)}, client)
    session = Session.objects.step_up(login, user["amr"])
    if session is None:
        raise PendingLogin.objects.refusal(id=login.id)
    access = AccessToken.issue(session, user, issued_at)
    mark_active(access)
    audit("authn_step_up", acr=session.acr, **audit_context(session, client))
    return Grant(access, None)
