"""The push: tells the Auth Service that a user's sessions have ended.

Best effort. Every refresh asks for the epoch and the session to keep anyway, so a lost
push is corrected within the lifetime of an access token.
"""

from uuid import UUID

from rest_framework.exceptions import APIException

from shared.circuit_breaker import Breaker
from shared.clients import auth_client
from shared.structured_logging import audit, dependency_logger

# So that an admin who ends many users' sessions at once does not wait for each.
breaker = Breaker()


def push(
    user_id: UUID,
    epoch: int,
    reason: str,
    keep_sid: UUID | None = None,
    keep_from: int | None = None,
) -> None:
    """Have all sessions below `epoch` ended. `keep_sid` continues with the new epoch if
    its own is at least `keep_from`. To be called after the commit."""
    audit("sessions_ended", user_id=str(user_id), epoch=epoch, reason=reason)
    if breaker.is_open():
        note_lost(user_id, epoch)
        return
    try:
        auth_client().revoke_sessions(user_id, epoch, reason, keep_sid, keep_from)
    except APIException:
        breaker.failed()
        note_lost(user_id, epoch)
    else:
        breaker.succeeded()


def note_lost(user_id: UUID, epoch: int) -> None:
    dependency_logger.error(
        "the Auth Service did not receive that sessions ended",
        extra={"event": "push_lost", "user_id": str(user_id), "epoch": epoch},
    )
