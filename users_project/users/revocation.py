"""The push, which tells the Auth Service that sessions of users have ended, and the
check of a session for acts that must not rely on it.

Best effort. Every refresh asks for the epoch and the session to keep anyway, so a lost
push is corrected within the lifetime of an access token.
"""

from typing import Any
from uuid import UUID

from rest_framework.exceptions import APIException

from shared.api.exceptions import TokenRevoked
from shared.auth.authentication import TokenUser
from shared.circuit_breaker import Breaker
from shared.clients import auth_client
from shared.structured_logging import audit, dependency_logger
from users.metrics import lost_pushes

# With it, an admin who ends many users' sessions at once does not wait for each.
breaker = Breaker("push")


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
        lost_pushes.inc()  # as the client does for a call that fails
        note_lost(user_id, epoch)
        return
    try:
        auth_client().revoke_sessions([user_id], epoch, reason, keep_sid, keep_from)
    except APIException:
        breaker.failed()
        note_lost(user_id, epoch)
    else:
        breaker.succeeded()


def push_many(epochs: dict[UUID, int], reason: str) -> bool:
    """Have all sessions of these users below their epochs ended. One call for each
    epoch: nearly all users have the same. False if a call failed. To be called after
    the commit; the caller audits."""
    users: dict[int, list[UUID]] = {}
    for user_id, epoch in epochs.items():
        users.setdefault(epoch, []).append(user_id)
    for epoch, user_ids in users.items():
        try:
            auth_client().revoke_sessions(user_ids, epoch, reason)
        except APIException:
            note_lost(user_ids[0], epoch, users=len(epochs))
            return False
    return True


def require_session(user: Any, caller: TokenUser) -> None:
    """Raise TokenRevoked if an epoch has ended the caller's session. While a push is
    late or lost its access token works: it must bring no way to log in that outlives
    it."""
    is_kept = user.kept_sid == caller.sid and user.kept_from <= caller.epoch
    if caller.epoch < user.session_epoch and not is_kept:
        raise TokenRevoked


def note_lost(user_id: UUID, epoch: int, **more: int) -> None:
    event = {"event": "push_lost", "user_id": str(user_id), "epoch": epoch, **more}
    text = "the Auth Service did not receive that sessions ended"
    dependency_logger.error(text, extra=event)
