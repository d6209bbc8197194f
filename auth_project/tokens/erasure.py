"""Deletes the personal data of users that the User Service has erased."""

from uuid import UUID

from django.db import connection, transaction

from shared.api.exceptions import DependencyUnavailable
from shared.auth import session_state
from shared.db.functions import ClockTimestamp
from shared.db.rights import erase_events
from shared.structured_logging import audit
from tokens.events import write
from tokens.models import PendingLogin, Session, UserEpoch
from tokens.revocation import revocation_window
from tokens.statements import DELETE


def erase(user_id: UUID) -> int:
    """Delete the sessions, pending logins and epoch of a user, and what is personal in
    their events. Returns how many sessions. May be repeated.

    First, Redis receives that all have ended, for as long as an access token may live:
    without a row a session is revoked, but a key `active` would be believed, and the
    sweep reads only rows. Raises DependencyUnavailable if Redis does not accept it: the
    rows are then revoked, but still there.
    """
    sessions = Session.objects.filter(user_id=user_id)
    live = sessions.filter(revoked_at=None)
    live.update(revoked_at=ClockTimestamp(), revoked_reason="erased")
    found = list(sessions.values_list("pk", flat=True))
    reasons = dict.fromkeys(found, "erased")
    if not session_state.mark_revoked(reasons, revocation_window()):
        raise DependencyUnavailable
    erase_events(user_id)  # there may be many, so not in the transaction
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(DELETE, [found])
        PendingLogin.objects.filter(user_id=user_id).delete()
        UserEpoch.objects.filter(user_id=user_id).delete()
        write("user_erased", user_id=user_id, sessions=len(found))
    audit("user_erased", user_id=user_id, sessions=len(found))
    return len(found)
