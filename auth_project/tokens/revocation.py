"""Ending sessions: PostgreSQL first, then Redis, then a line in the audit log."""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from uuid import UUID

from django.conf import settings

from shared import sessions
from shared.log import audit
from shared.sessions import Revocation
from tokens.models import Session


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


def announce(ended: Iterable[Session]) -> bool:
    """Tell Redis. Where that fails the sweep tells it again, every two seconds."""
    now = datetime.now(UTC)
    batch = [session.revocation(now) for session in ended]
    return sessions.mark_revoked(batch) if batch else True


def announce_unknown(sid: UUID | str) -> None:
    """Tell Redis that a session which has no row is over."""
    ttl = settings.ACCESS_TOKEN_LIFETIME + settings.JWT_LEEWAY
    sessions.mark_revoked([Revocation(UUID(str(sid)), "unknown", ttl)])


def announce_recent() -> int:
    """Tell Redis again about all that ended while an access token could still live.

    Stateless, so it heals whatever was lost: by a flush, a restart, a fail-over, a
    write that timed out, a worker that died between PostgreSQL and Redis.
    """
    period = settings.ACCESS_TOKEN_LIFETIME + settings.JWT_LEEWAY + 60
    recent = list(Session.objects.revoked_within(timedelta(seconds=period)))
    announce(recent)
    return len(recent)
