"""The operations on sessions: refresh, log out, verify.

Each function is one operation from beginning to end. They raise errors of
`shared.api.exceptions`. A database that does not answer raises OperationalError, which
becomes 503.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings

from shared.api.exceptions import (
    InsufficientUserAuthentication,
    RefreshTokenReused,
    TokenError,
    TokenExpired,
    TokenRevoked,
    UserNotFound,
)
from shared.auth import session_state
from shared.auth.access_tokens import decode
from shared.auth.authentication import TokenUser
from shared.clients import users_client
from shared.keys import keyring
from shared.structured_logging import audit
from tokens.jwt_tokens import AccessToken, RefreshToken, SpentRefreshToken
from tokens.metrics import counted_refusals, refreshes_total
from tokens.models import UNDELIVERED, Session, SessionPolicy
from tokens.revocation import end_session, end_sessions_below, publish_end


@dataclass(frozen=True)
class Client:
    """The client of a request, kept with the session and in the audit log.

    `refuse_abandoned` raises if the caller has given up: by then it may have asked
    again elsewhere. `device` is the text of its device cookie, for the User Service.
    `cookie` is its refresh cookie, if any: a login replaces the session of that cookie.
    """

    ip: str | None
    user_agent: str
    refuse_abandoned: Callable[[], None]
    device: str = ""
    cookie: str | None = None


@dataclass(frozen=True)
class Grant:
    """The tokens that a client receives. `refresh` is None if it keeps the one it has.
    `device` is the device cookie to set after a login."""

    access: AccessToken
    refresh: RefreshToken | None
    device: str = ""


@counted_refusals()
def refresh(text: str, client: Client, received_at: float) -> Grant:
    """Continue a session with its refresh token. `received_at` is the request's time on
    the monotonic clock.

    The User Service is asked before the row is changed: no lock is held during the
    call, and without an answer nothing changes. Raises TokenError (the session has
    ended, or `text` is no token), DependencyUnavailable, Overloaded;
    InsufficientUserAuthentication if the user now needs a second factor and the session
    has none. That session still lives and may step up.
    """
    issued_at = int(time.time())
    token = RefreshToken.parse(text)
    token.check_blacklist()
    keyring.signing_key()  # without a key, fail here before anything changes
    user = users_client().get(UUID(token["sub"]))
    if user is None:
        end_session(token["sid"], "user_gone")
        raise TokenRevoked
    policy = SessionPolicy.of(user)
    client.refuse_abandoned()
    session, successor = rotate_or_resolve(token, policy, client, received_at)
    access = AccessToken.issue(session, user, issued_at)
    mark_active(access)
    return Grant(access, successor)


def rotate_or_resolve(
    token: RefreshToken, policy: SessionPolicy, client: Client, received_at: float
) -> tuple[Session, RefreshToken | None]:
    """The session of a token, and the token to answer with, if it is a new one. Raises
    TokenError, InsufficientUserAuthentication."""
    sid, jti = UUID(token["sid"]), UUID(token["jti"])
    session = Session.objects.rotate(sid, jti, policy)
    if session is not None:
        audit("session_renewed", **audit_context(session, client))
        refreshes_total.labels("rotated").inc()
        return session, RefreshToken.current(session)
    return resolve_superseded_token(token, policy, client, received_at)


def resolve_superseded_token(
    token: RefreshToken, policy: SessionPolicy, client: Client, received_at: float
) -> tuple[Session, RefreshToken | None]:
    """Find out why `token` did not rotate its session.

    Returns the session and the token to answer with if the cause is harmless: a second
    tab, a repeated request. Otherwise raises TokenError or
    InsufficientUserAuthentication.
    """
    session = live_session(token, policy, client)
    is_current = str(session.jti) == token["jti"]
    if not is_current and not is_direct_predecessor(token, session, received_at):
        # Committed before the 401 is raised, which must not roll it back.
        end_session(session.id, "reuse", "authn_token_reuse")
        audit("authn_token_reuse", **audit_context(session, client))
        raise RefreshTokenReused
    if session.user_epoch < policy.epoch:
        # Kept. It cannot step up below the user's epoch, and perhaps the push was lost.
        kept = Session.objects.filter(id=session.id, user_epoch__lt=policy.epoch)
        kept.update(user_epoch=policy.epoch)
    if policy.needs_factor and session.lacks_factor:
        raise InsufficientUserAuthentication("aal2")
    if is_current:
        # Rotated less than the leeway ago: the client keeps using this token.
        refreshes_total.labels("current").inc()
        return session, None
    refreshes_total.labels("leeway").inc()
    audit("authn_token_leeway", **audit_context(session, client))
    return session, RefreshToken.current(session)


def live_session(token: RefreshToken, policy: SessionPolicy, client: Client) -> Session:
    """The session that `token` did not rotate. Raises TokenError if it has ended. The
    order of the checks matters."""
    session = Session.objects.with_clock().filter(id=token["sid"]).first()
    if session is None or session.revoked_at is not None:
        publish_end(session, token["sid"])
        raise TokenRevoked
    if session.expires_at <= session.clock:
        audit("session_expired", **audit_context(session, client))
        raise TokenExpired
    if policy.ends(session):
        end_session(session.id, "epoch")
        raise TokenRevoked
    return session


def is_direct_predecessor(
    token: RefreshToken, session: Session, received_at: float
) -> bool:
    """Whether `token` was superseded by the last rotation, within the leeway. If that
    rotation was answered by 503, the leeway begins with the first retry.

    The time is measured to the request's arrival: waits for the User Service or a lock
    do not count. No older ancestor is ever accepted (django-oauth-toolkit #1617).
    """
    if str(session.previous_jti) != token["jti"] or not settings.REFRESH_REUSE_LEEWAY:
        return False
    # Before the leeway is tested: a retry within it is the first one too.
    undelivered = UNDELIVERED.format(session.jti)
    if session_state.is_noted(undelivered, settings.REFRESH_REUSE_LEEWAY):
        return True
    waited = timedelta(seconds=time.monotonic() - received_at)
    leeway = timedelta(seconds=settings.REFRESH_REUSE_LEEWAY)
    rotated_at = session.rotated_at or session.created_at
    return session.clock - waited - rotated_at <= leeway


def log_out(text: str | None) -> None:
    """End the session of a refresh token, even of an expired one. Garbage is ignored: a
    client without a session is logged out already.

    Raises OperationalError: then the session may still live, and the client must keep
    the cookie to try again (RFC 7009 section 2.2.1).
    """
    try:
        token = SpentRefreshToken.parse(text or "")
    except TokenError:
        return
    token.blacklist("logout", "session_logout")
    audit("session_logout", user_id=token["sub"], sid=token["sid"])


def log_out_all(user: TokenUser, *, keep_current: bool) -> int:
    """End all sessions of a user, or all but the caller's. Returns how many.

    The epoch is raised first: a login whose password was verified before that ends at
    its first refresh, even if its row does not exist yet. Without the User Service
    nothing changes. If only its answer is lost, all sessions end at their next refresh.
    Raises DependencyUnavailable, Overloaded; TokenRevoked if the user is gone.
    """
    keep = user.sid if keep_current else None
    try:
        raised = users_client().end_sessions(user.id, keep)
    except UserNotFound as exc:
        end_session(user.sid, "user_gone")
        raise TokenRevoked from exc
    epoch, kept_from = raised["session_epoch"], raised["kept_from"]
    revoked = end_sessions_below([user.id], epoch, "logout_all", keep, kept_from, user)
    audit("session_logout_all", user_id=user.id, sid=user.sid, keep=keep_current)
    return revoked


def verify(text: str) -> dict[str, Any]:
    """Claims of an access token whose session lives. Raises TokenError.

    If Redis does not know the session, PostgreSQL decides, and Redis is updated.
    """
    claims = decode(text, "access")
    active = session_state.is_active(claims["sid"])
    if active is None:
        session = Session.objects.filter(id=claims["sid"]).first()
        active = session is not None and session.revoked_at is None
        if active:
            mark_active(claims)
        else:
            publish_end(session, claims["sid"])
    if not active:
        raise TokenRevoked
    return claims


def mark_active(token: Any) -> None:
    """Mark the session as active in Redis until this access token of it expires.

    Not for longer: a process that was paused could otherwise revive a session whose
    revocation only PostgreSQL still knows.
    """
    ttl = int(token["exp"] + settings.JWT_LEEWAY - time.time())
    if ttl > 0:
        session_state.mark_active(token["sid"], ttl)


def audit_context(session: Session, client: Client) -> dict[str, Any]:
    """The fields of an audit event about a session."""
    return {
        "user_id": session.user_id,
        "sid": session.id,
        "ip": client.ip,
        "user_agent": client.user_agent,
        "session_ip": session.ip,
        "session_user_agent": session.user_agent,
    }
