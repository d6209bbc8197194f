"""Ending sessions: PostgreSQL first, then Redis, then a line in the audit log."""

from collections import Counter
from collections.abc import Collection
from datetime import timedelta
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction

from shared.auth import session_state
from shared.auth.authentication import TokenUser
from shared.structured_logging import audit
from tokens import statements
from tokens.metrics import count_ended, sweep_last_success_seconds
from tokens.models import Session

BATCH = 1000
NO_CAP = 2**31 - 1
SWEEP_LOCK = 0x6D656D6F  # an advisory lock of this database


def end_session(sid: UUID | str, reason: str, *deeds: str) -> None:
    """Revoke one session. If it lived, the events `deeds` are recorded too. Raises
    OperationalError: then Redis has received nothing.

    A session that had ended before is published again, in case Redis missed it. So is
    one without a row: it may have been purged.
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
    """Revoke the sessions of these users below `epoch`, but not `keep_sid` if its epoch
    is at least `keep_from`. Returns how many. No session opens below `epoch` from now
    on. `caller` is the user who logs out everywhere."""
    Session.objects.raise_floors(user_ids, epoch)
    keep = keep_sid, keep_from
    ended = Session.objects.revoke_below(user_ids, epoch, reason, *keep, caller)
    publish_revocation(ended)
    # A line for a single user; of many users, for those who had a session.
    counts = Counter(session.user_id for session in ended)
    for user_id in user_ids if len(user_ids) == 1 else counts:
        count = counts[user_id]
        audit("authn_token_revoked", user_id=user_id, reason=reason, sessions=count)
    return len(ended)


def end_own_session(sid: UUID, user_id: UUID, reason: str = "session_ended") -> bool:
    """End a live session of this user, for the user or (reason `operator`) for an
    operator. False if they have no such session."""
    session = Session.objects.revoke_own(sid, user_id, reason)
    if session is None:
        return False
    publish_revocation([session])
    audit("authn_token_revoked", sid=sid, user_id=user_id, reason=reason)
    return True


def end_other_sessions(user_id: UUID, replaced: UUID | None) -> None:
    """End the session that a login replaces, and the least recently used sessions
    beyond the cap.

    Must be called after the login's row was committed, as a separate statement.
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
    """For operators: end all sessions of a user, or (None) of all. Returns how many.

    In batches of rows, of which few may be live, so that no statement takes long. A
    login in progress is not stopped: to do so, raise the user's epoch in the User
    Service.
    """
    total, after = 0, UUID(int=0)
    rows = Session.objects.order_by("id").values_list("id", flat=True)
    if user_id:
        rows = rows.filter(user_id=user_id)
    while ids := list(rows.filter(id__gt=after)[:BATCH]):
        ended = Session.objects.revoke_live(ids, "operator")
        publish_revocation(ended)
        total, after = total + len(ended), ids[-1]
    audit("authn_token_revoked", user_id=user_id, reason="operator", sessions=total)
    return total


def publish_revocation(ended: Collection[Session]) -> None:
    """Count sessions that have just ended, and mark them as revoked in Redis. If Redis
    fails, the sweep repeats it every two seconds."""
    count_ended(ended)
    if reasons := {each.id: each.revoked_reason for each in ended}:
        session_state.mark_revoked(reasons, revocation_window())


def publish_end(session: Session | None, sid: UUID | str) -> None:
    """Mark one session as revoked in Redis. `session` is None if it has no row."""
    reason = session.revoked_reason if session else "unknown"
    session_state.mark_revoked({UUID(str(sid)): reason}, revocation_window())


def revocation_window() -> int:
    """For how many seconds Redis keeps a revocation and the sweep repeats it. No access
    token lives longer, and for refresh tokens PostgreSQL decides."""
    return settings.ACCESS_TOKEN_LIFETIME + settings.JWT_LEEWAY + 60


def republish_revocations() -> None:
    """Compare Redis with all recent revocations, and set those that it does not have.

    This keeps no state, so it repairs any loss: by a flush, a restart, a failover, a
    write that timed out, a worker that died between PostgreSQL and Redis. One worker at
    a time does so: the others skip the round. A worker that hangs loses the lock. One
    that does not reach Redis takes no lock: workers on other hosts may reach it.
    """
    if not session_state.answers():
        return
    window = revocation_window()
    recent = Session.objects.revoked_within(timedelta(seconds=window))
    query = recent.values_list("id", "revoked_reason").query
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute("SELECT pg_try_advisory_xact_lock(%s)", [SWEEP_LOCK])
        if not cursor.fetchone()[0]:
            return
        cursor.execute("SET LOCAL idle_in_transaction_session_timeout = '5s'")
        # A server-side cursor: the worker holds only one batch in memory. Django's
        # `iterator` would hold all rows behind a pooler.
        with connection.chunked_cursor() as rows:
            rows.execute(*query.sql_with_params())
            while batch := rows.fetchmany(BATCH):
                if not session_state.repeat_revocations(dict(batch), window):
                    return
    sweep_last_success_seconds.set_to_current_time()
