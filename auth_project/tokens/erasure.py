"""Deletes the personal data of users that the User Service has erased."""

from collections.abc import Iterator
from datetime import timedelta
from uuid import UUID

from django.db import transaction
from django.db.models.functions import Now

from shared.api.exceptions import DependencyUnavailable
from shared.auth import session_state
from shared.db.functions import ClockTimestamp
from shared.db.rights import erase_events
from shared.structured_logging import audit
from tokens.events import write
from tokens.models import PendingLogin, Session, SessionQuerySet, UserEpoch
from tokens.revocation import BATCH, revocation_window


def erase(user_id: UUID) -> int:
    """Delete the sessions, pending logins and epoch of a user, and what is personal in
    their events. Returns how many sessions. May be repeated: a user may have very many,
    so each batch is committed, and after a failure the next call continues.

    First, all sessions are revoked. Raises DependencyUnavailable if Redis does not
    accept it: the rows are then revoked, but still there.
    """
    sessions = Session.objects.filter(user_id=user_id)
    for live in batches(sessions.filter(revoked_at=None)):
        live.update(revoked_at=ClockTimestamp(), revoked_reason="erased")
    total = sum(map(delete, batches(sessions)))
    erase_events(user_id)  # there may be many, so not in the transaction
    with transaction.atomic():
        PendingLogin.objects.filter(user_id=user_id).delete()
        UserEpoch.objects.filter(user_id=user_id).delete()
        write("user_erased", user_id=user_id, sessions=total)
    audit("user_erased", user_id=user_id, sessions=total)
    return total


def batches(sessions: SessionQuerySet) -> Iterator[SessionQuerySet]:
    """Batches of these sessions, the last to end first, until none is left."""
    ids = sessions.order_by("-revoked_at").values_list("pk", flat=True)
    while batch := list(ids[:BATCH]):
        yield sessions.filter(pk__in=batch)


def delete(sessions: SessionQuerySet) -> int:
    """Delete sessions that have ended. Returns how many.

    Before, Redis receives that they have, if an access token may still live: without a
    row a session is revoked, but a key `active` would be believed, and the sweep reads
    only rows.
    """
    window = timedelta(seconds=revocation_window())
    recent = sessions.exclude(revoked_at__lte=Now() - window)
    reasons = dict.fromkeys(recent.values_list("pk", flat=True), "erased")
    if reasons and not session_state.mark_revoked(reasons, revocation_window()):
        raise DependencyUnavailable
    return sessions.delete()[0]
