"""Ending sessions: PostgreSQL first, then Redis, then a line in the audit log."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings

from shared.auth import session_state
from shared.auth.session_state import Revocation
from shared.structured_logging import audit
from tokens.models import Session

BATCH = 1000


def end_session(sid: UUID | str, reason: str) -> None:
    """Revoke one session. Raises OperationalError: then nothing was told to Redis.

    One that had ended is announced again, in case Redis missed it; and so is one that
    has no row, which is how a purged session looks.
    """
    session = Session.objects.revoke(UUID(str(sid)), reason)
    if session is None:
        announce_unknown(sid)
        return
    announce([session])
    audit("authn_token_revoked", sid=sid, user_id=session.user_id, reason=reason)


def end_sessions_below(
    user_id: UUID, epoch: int, reason: str, keep: UUID | None = None
) -> int:
    """Revoke a user's sessions of an older epoch, but `keep`; how many."""
    ended = Session.objects.revoke_below(user_id, epoch, reason, keep)
    announce(ended)
    audit("authn_token_revoked", user_id=user_id, reason=reason, sessions=len(ended))
    return len(ended)


def end_own_session(sid: UUID, user_id: UUID, reason: str = "session_ended") -> bool:
    """End a live session of this user, at their wish or (`operator`) an operator's;
    False where they have no such one."""
    session = Session.objects.revoke_own(sid, user_id, reason)
    if session is None:
        return False
    announce([session])
    audit("authn_token_revoked", sid=sid, user_id=user_id, reason=reason)
    return True


def end_surplus_sessions(user_id: UUID) -> None:
    """Keep a user's sessions within the cap: the least recently used give way.

    To be called after a log-in's row was committed, in a statement of its own.
    """
    cap = settings.MAX_SESSIONS_PER_USER
    ended = cap and Session.objects.revoke_surplus(user_id, cap, "session_cap")
    if ended:
        announce(ended)
        reason, sids = "session_cap", [session.id for session in ended]
        audit("authn_token_revoked", user_id=user_id, reason=reason, sids=sids)


def end_live_sessions(user_id: UUID | None) -> int:
    """For operators: end all sessions of a user, or (None) of everybody; how many.

    In batches, so that no lock is held for long. A log-in that is under way is not
    stopped: raising the user's epoch in the User Service does that.
    """
    total = 0
    while ended := Session.objects.revoke_live(user_id, "operator", BATCH):
        announce(ended)
        total += len(ended)
    audit("authn_token_revoked", user_id=user_id, reason="operator", sessions=total)
    return total


def announce(ended: Iterable[Session]) -> bool:
    """Tell Redis. Where that fails the sweep tells it again, every two seconds."""
    now = datetime.now(UTC)
    batch = [session.revocation(now) for session in ended]
    return session_state.mark_revoked(batch) if batch else True


def announce_unknown(sid: UUID | str) -> None:
    """Tell Redis that a session which has no row is over."""
    ttl = settings.ACCESS_TOKEN_LIFETIME + settings.JWT_LEEWAY
    session_state.mark_revoked([Revocation(UUID(str(sid)), "unknown", ttl)])


def announce_recent() -> int:
    """Tell Redis again about all that ended while an access token could still live.

    Stateless, so it heals whatever was lost: by a flush, a restart, a fail-over, a
    write that timed out, a worker that died between PostgreSQL and Redis.
    """
    period = settings.ACCESS_TOKEN_LIFETIME + settings.JWT_LEEWAY + 60
    recent = list(Session.objects.revoked_within(timedelta(seconds=period)))
    announce(recent)
    return len(recent)
