"""Diagnostics of epochs for `manage.py doctor`: docs/operations/backup.md."""

from typing import Any

from shared.auth import session_state
from shared.clients import users_client
from shared.diagnostics.peers import key_fault
from shared.doctor import diagnostic
from tokens.logins import EPOCH_BEHIND
from tokens.models import Session

ASKED = 50  # users; a restore lowers the latest epochs, which are the highest
AFTER_A_RESTORE = "Take the steps after a restore: docs/operations/backup.md."


@diagnostic(
    "epochs.users",
    "no user's epoch in users is below the epoch that auth has received",
    f"{AFTER_A_RESTORE} For one user: ./manage_all.sh endsessions USER.",
)
def epochs_behind() -> str | None:
    if key_fault("users"):
        return None
    client, behind = users_client(), 0
    for user_id, epoch in Session.objects.highest_epochs(ASKED):
        user = client.get(user_id)
        behind += user is not None and user["session_epoch"] < epoch
    return f"{behind} of the latest {ASKED} are" if behind else ""


@diagnostic(
    "epochs.logins",
    "in the last hour no login had an epoch below the one that auth has received",
    f"One login during a change of password may have it. Else: {AFTER_A_RESTORE}",
    note=True,
)
def logins_behind() -> str:
    user_id: Any = session_state.connection().get(EPOCH_BEHIND)
    return f"one of user {user_id.decode()} had" if user_id else ""
