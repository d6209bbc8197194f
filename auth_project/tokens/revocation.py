"""Ending sessions: PostgreSQL first, then Redis, then a line in the audit log."""

from collections import Counter
from collections.abc import Collection
from datetime import timedelta
from itertools import islice
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from shared.api.exceptions import DependencyUnavailable
from shared.auth import session_state
from shared.auth.authentication import TokenUser
from shared.structured_logging import audit
from tokens import statements
from tokens.metrics import count_ended, sweep_last_success_seconds
from tokens.models import Session

BATCH = 1000
NO_CAP = 2**31 - 1
SWEEP_LOCK = 0x6D656D6F  # of this database's advisory locks


def end_session(sid: UUID | str, reason: str, *deeds: str) -> None:
    """Revoke one session, with events (`deeds`) that are recorded if it lived. Raises
    OperationalError: then Redis has received nothing.

    One that had ended is announced again, in case Redis missed it; and so is one that
    has no row, which is how a purged session looks.
    """
    session = Session.objects.revoke(UUID(str(sid)), reason, *deeds)
    publish_end(session, sid)
    if session is not None:
        count_ended([session] if session.has_lived else [])
        audit("authn_token_revoked", sid=sid, user_id=session.user_id, reason=reason)


def end_sessions_below(
    user_ids: Collection[UUID],
    epoch: int,
    reason: str,
    keep_sid: UUID | None = None,
    keep_from: int | None = None,
    caller: TokenUser | None = None,
) -> int:
    """Revoke the sessions of these users below `epoch`, but `keep_sid` if its own is at
    least `keep_from`; how many. No session opens below it from now on. `caller` is the
    user who logs out everywhere."""
    Session.objects.raise_floors(user_ids, epoch)
    keep = keep_sid, keep_from
    ended = Session.objects.revoke_below(user_ids, epoch, reason, *keep, caller)
    publish_revocation(ended)
    # Of many users, those who had a session.
    counts = Counter(session.user_id for session in ended)
    for user_id in user_ids if len(user_ids) == 1 else counts:
        count = counts[user_id]
        audit("authn_token_revoked", user_id=user_id, reason=reason, sessions=count)
    return len(ended)


def end_own_session(sid: UUID, user_id: UUID, reason: str = "session_ended") -> bool:
    """End a live session of this user, at their wish or (`operator`) an operator's;
    False where they have no such one."""
    session = Session.objects.revoke_own(sid, user_id, reason)
    if session is None:
        return False
    publish_revocation([session])
    audit("authn_token_revoked", sid=sid, user_id=user_id, reason=reason)
    return True


def end_other_sessions(user_id: UUID, replaced: UUID | None) -> None:
    """End the session that a login replaces, and those beyond the cap: the least
    recently used.

    To be called after a login's row was committed, in a statement of its own.
    """
    cap = settings.MAX_SESSIONS_PER_USER or NO_CAP
    if cap == NO_CAP and replaced is None:
        return
    parameters = {"user_id": user_id, "cap": cap, "replaced": replaced}
    ended = Session.objects.execute(statements.END_OTHERS, parameters)
    if ended:
        publish_revocation(ended)
    for session in ended:
        ids = {"user_id": session.user_id, "sid": session.id}
        audit("authn_token_revoked", **ids, reason=session.revoked_reason)


def end_live_sessions(user_id: UUID | None) -> int:
    """For operators: end all sessions of a user, or (None) of all users; how many.

    In batches, so that no lock is held for long. A login that is under way is not
    stopped: raising the user's epoch in the User Service does that.
    """
    total = 0
    while ended := Session.objects.revoke_live(user_id, "operator", BATCH):
        publish_revocation(ended)
        total += len(ended)
    audit("authn_token_revoked", user_id=user_id, reason="operator", sessions=total)
    return total


def republish_known_sessions() -> tuple[int, int]:
    """After a restore: what Redis knows is of another database. Sessions that do not
    live in this one have ended, those that do are forgotten; how many of each.

    For a time when no service runs. Raises RedisError; DependencyUnavailable if Redis
    takes no write.
    """
    sids, ended, live = iter(set(session_state.known())), 0, 0
    while batch := set(islice(sids, BATCH)):
        found = Session.objects.live().filter(id__in=batch)
        alive = set(found.values_list("id", flat=True))
        session_state.forget(alive)
        over = dict.fromkeys(batch - alive, "unknown")
        if not session_state.mark_revoked(over, revocation_window()):
            raise DependencyUnavailable
        ended, live = ended + len(over), live + len(alive)
    return ended, live


def publish_revocation(ended: Collection[Session]) -> None:
    """Count sessions that have ended just now, and write them to Redis. Where that
    fails the sweep repeats it, every two seconds."""
    count_ended(ended)
    if reasons := {each.id: each.revoked_reason for each in ended}:
        session_state.mark_revoked(reasons, revocation_window())


def publish_end(session: Session | None, sid: UUID | str) -> None:
    """Write to Redis that one session is over; None: it has no row."""
    reason = session.revoked_reason if session else "unknown"
    session_state.mark_revoked({UUID(str(sid)): reason}, revocation_window())


def revocation_window() -> int:
    """For how many seconds Redis has to know of a revocation, and the sweep to look
    after it: no access token lives longer, and of refresh tokens PostgreSQL knows."""
    return settings.ACCESS_TOKEN_LIFETIME + settings.JWT_LEEWAY + 60


def republish_revocations() -> None:
    """Compare Redis with all recent revocations, and set what it does not know.

    Remembers nothing, so it heals whatever was lost: by a flush, a restart, a failover,
    a write that timed out, a worker that died between PostgreSQL and Redis. One worker
    at a time: the others skip the round. A worker that stops in it loses the lock. One
    that does not reach Redis takes no lock: those on other hosts may reach it.
    """
    if not session_state.answers():
        return
    recent = Session.objects.revoked_within(timedelta(seconds=revocation_window()))
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SWEEP_LOCK])
        if not cursor.fetchone()[0]:
            return
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '5s'")
        # A cursor in the database: a worker holds one batch of them.
        rows = recent.values_list("id", "revoked_reason").iterator(BATCH)
        while batch := list(islice(rows, BATCH)):
            if not session_state.repeat_revocations(dict(batch), revocation_window()):
                return
    sweep_last_success_seconds.set_to_current_time()
