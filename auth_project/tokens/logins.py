"""Logging in: with a password, and a second factor if the account has one; or with a
passkey alone, without a name.

No session, token or cookie is given before the last factor is verified.
"""

import time
from typing import Any
from uuid import UUID

from shared.api.exceptions import (
    DependencyUnavailable,
    InvalidCredentials,
    LoginSettled,
    SecondFactorInvalid,
    SecondFactorRequired,
    TokenError,
    TokenInvalid,
)
from shared.auth import session_state
from shared.clients import users_client
from shared.keys import keyring
from shared.structured_logging import audit
from tokens.jwt_tokens import AccessToken, EnrolToken, RefreshToken, SpentRefreshToken
from tokens.models import PendingLogin, Session
from tokens.pending_logins import LIFETIME
from tokens.revocation import end_other_sessions
from tokens.services import Client, Grant, mark_active

# A key in Redis, for `doctor`: the last user whom `epoch_behind` refused, for an hour.
EPOCH_BEHIND = "auth:login_epoch_behind"


def log_in(credentials: dict[str, str], client: Client) -> Grant:
    """Verify the password with the User Service and open a session. It ends the session
    of the client's cookie and, beyond the cap, the least recently used ones.
    The User Service counts and audits guesses, so it receives the client.

    Raises RateLimited, InvalidCredentials, SecondFactorRequired, DependencyUnavailable,
    Overloaded.
    """
    issued_at = int(time.time())
    keyring.signing_key()  # without a key, fail here before anything changes
    seen = {"ip": client.ip, "user_agent": client.user_agent}
    attempt = {**credentials, "client": seen, "device": client.device}
    user = users_client().verify(attempt)
    factors = user["factors"]
    has_factor = bool(factors["methods"])
    is_enough = factors["trusted"] if has_factor else not factors["required"]
    if not is_enough:
        raise factor_needed(user, factors)
    # `rba` (RFC 8176): a trusted device replaces the factor.
    amr = "pwd rba" if has_factor else "pwd"
    client.refuse_abandoned()
    session = Session.objects.open(user, client.ip, client.user_agent, amr=amr)
    if session is None:
        raise epoch_behind(user, client)
    return grant(session, user, client, issued_at)


def factor_needed(user: dict[str, Any], factors: dict[str, Any]) -> Exception:
    """The error that says how this login continues: with a factor, or by adding one."""
    enrol = not factors["methods"]
    purpose = (
        PendingLogin.Purpose.ENROL if enrol else PendingLogin.Purpose.SECOND_FACTOR
    )
    columns = {"user_id": user["sub"], "user_epoch": user["session_epoch"]}
    login = PendingLogin.objects.begin(purpose, **columns)
    invitation = login.invitation(factors["methods"], factors["passkeys"])
    return SecondFactorRequired(**invitation, enrol=enrol)


def second_factor(text: str, proof: dict[str, Any], client: Client) -> Grant:
    """Verify the factor of a pending login and open its session, as `log_in` does.

    Raises SecondFactorInvalid, LoginSettled, RateLimited, DependencyUnavailable,
    Overloaded; TokenInvalid if the login has to start over.
    """
    issued_at = int(time.time())
    keyring.signing_key()
    login = PendingLogin.objects.attempt(text, PendingLogin.Purpose.SECOND_FACTOR)
    user = verify_factor(login, {**proof, "device": client.device}, client)
    amr = " ".join(["pwd", *user["amr"], "mfa"])
    return open_pending(login, user, amr, client, issued_at)


def verify_factor(
    login: PendingLogin, proof: dict[str, Any], client: Client
) -> dict[str, Any]:
    """The user, from the User Service, if it accepts the factor. It refuses the factor
    if the user's epoch is no longer that of the login."""
    assert login.user_id is not None  # a passkey login is not verified here
    if "passkey" in proof:
        proof = {**proof, "challenge": login.challenge_text}
    seen = {"ip": client.ip, "user_agent": client.user_agent}
    asked = {**proof, "epoch": login.user_epoch, "client": seen}
    try:
        return users_client().verify_factor(login.user_id, asked)
    except SecondFactorInvalid as exc:
        raise SecondFactorInvalid(login.tries_left) from exc


def open_pending(
    login: PendingLogin, user: dict[str, Any], amr: str, client: Client, issued_at: int
) -> Grant:
    """Open the session of a pending login whose last factor was accepted. Of any number
    of requests at once, one does so. Raises LoginSettled; TokenInvalid if the user's
    epoch has been raised since."""
    level: dict[str, Any] = {"acr": "aal2", "amr": amr, "login": login.id}
    client.refuse_abandoned()
    session = Session.objects.open(user, client.ip, client.user_agent, **level)
    if session is None:
        if PendingLogin.objects.waiting().filter(id=login.id).exists():
            epoch_behind(user, client)  # for the log and `doctor`
        raise PendingLogin.objects.refusal(id=login.id)
    return grant(session, user, client, issued_at)


def passkey_options() -> dict[str, Any]:
    """The options for a login with a passkey alone. They reveal nothing about users."""
    login = PendingLogin.objects.begin(PendingLogin.Purpose.PASSKEY)
    asked = login.request_options([])
    return {"login": login.text, "expires_in": LIFETIME, "passkey": asked}


def log_in_with_passkey(text: str, credential: dict[str, Any], client: Client) -> Grant:
    """Open the session of the user whose passkey has signed the challenge of a pending
    login, as `log_in` does.

    Raises InvalidCredentials for any fault; DependencyUnavailable, Overloaded.
    """
    issued_at = int(time.time())
    keyring.signing_key()  # without a key, fail here before anything changes
    try:
        login = PendingLogin.objects.attempt(text, PendingLogin.Purpose.PASSKEY)
        signed = {"challenge": login.challenge_text, "credential": credential}
        seen = {"ip": client.ip, "user_agent": client.user_agent}
        proof = {**signed, "client": seen, "device": client.device}
        user = users_client().verify_passkey(proof)
        amr = " ".join([*user["amr"], "mfa"])
        return open_pending(login, user, amr, client, issued_at)
    except (LoginSettled, TokenInvalid) as exc:
        raise InvalidCredentials from exc


def grant(
    session: Session, user: dict[str, Any], client: Client, issued_at: int
) -> Grant:
    """The tokens of a session that was just opened. Ends the sessions it replaces."""
    access = AccessToken.issue(session, user, issued_at)
    mark_active(access)
    cookie = client.cookie
    end_other_sessions(session.user_id, replaced_by(cookie) if cookie else None)
    audit(
        "authn_login_success",
        user_id=session.user_id,
        sid=session.id,
        acr=session.acr,
        ip=client.ip,
        user_agent=client.user_agent,
    )
    return Grant(access, RefreshToken.current(session), user["device"])


def enrol(text: str, proof: str, client: Client) -> EnrolToken | None:
    """A token for adding the first factor, for a pending login that must have one.

    It needs more than the password: a device that the account has used or, in `proof`,
    the text of a link or from an operator. Without either, return None: then the User
    Service has mailed a link to the verified address. Raises LinkInvalid, LoginSettled,
    RateLimited, DependencyUnavailable, Overloaded; TokenInvalid as `second_factor`.
    """
    keyring.signing_key()
    login = PendingLogin.objects.attempt(text, PendingLogin.Purpose.ENROL)
    assert login.user_id is not None  # known by the password
    asked = {"epoch": login.user_epoch, "device": client.device}
    asked |= {"token": proof} if proof else {}
    if not users_client().prove_enrolment(login.user_id, asked):
        return None
    PendingLogin.objects.settle(login)
    return EnrolToken.issue(login)


def epoch_behind(user: dict[str, Any], client: Client) -> DependencyUnavailable:
    """The error, audited, if the user's epoch has been raised since the password was
    verified. The next try reads the new epoch."""
    epoch = user["session_epoch"]
    audit("login_epoch_behind", user_id=user["sub"], epoch=epoch, ip=client.ip)
    session_state.note(EPOCH_BEHIND, user["sub"], ttl=3600)
    return DependencyUnavailable()


def replaced_by(cookie: str) -> UUID | None:
    """The session of the refresh token that a login came with; None for garbage."""
    try:
        return UUID(SpentRefreshToken.parse(cookie)["sid"])
    except TokenError:
        return None
