"""The push: tells the Auth Service that a user's sessions have ended.

Best effort. Every refresh asks for the epoch anyway, so a push that is lost heals
within the lifetime of an access token. With it is lost which session was to be kept:
that one ends as the others do, and its owner logs in again.
"""

from uuid import UUID

from rest_framework.exceptions import APIException

from shared.circuit_breaker import Breaker
from shared.clients import auth_client
from shared.structured_logging import audit, dependency_logger

# So that an admin who ends many users' sessions at once does not wait for each.
breaker = Breaker()


def push(user_id: UUID, epoch: int, reason: str, keep_sid: UUID | None = None) -> None:
    """Have all sessions below `epoch` ended, but `keep_sid`, which goes on with the new
    one. To be called after the commit."""
    audit("sessions_ended", user_id=str(user_id), epoch=epoch, reason=reason)
    if breaker.is_open():
        note_lost(user_id, epoch)
        return
    try:
        auth_client().revoke_sessions(user_id, epoch, reason, keep_sid)
    except APIException:
        breaker.failed()
        note_lost(user_id, epoch)
    else:
        breaker.succeeded()


def note_lost(user_id: UUID, epoch: int) -> None:
    dependency_logger.error(
        "the Auth Service was not told that sessions ended",
        extra={"event": "push_lost", "user_id": str(user_id), "epoch": epoch},
    )
