"""A user model whose changes end sessions and links, record events and queue notices,
all in the transaction of the change."""

from functools import partial
from typing import Any
from uuid import UUID

from django.db import transaction

from shared.structured_logging import audit
from users import revocation
from users.accounts import links
from users.accounts.models import EmailChange
from users.events.log import record, source
from users.mail import notices
from users.passwords.password_model import PasswordModel
from users.validators import normalize_identifier

IDENTIFIERS = {"email", "username"}
RIGHTS = {"is_staff", "is_superuser"}  # roles are in tables of their own
CANONICAL = {f"{name}_canonical" for name in IDENTIFIERS}
# Columns that `user_updated` does not name. The time of a login is no change of the
# account. The others have events of their own, which say who changed them.
OWN_EVENTS = {
    *("password", "is_active", "deleted_at", "delete_after", "last_login"),
    *("email_verified_at", "was_verified", *CANONICAL),
}


class RecordedModel(PasswordModel):
    """Every change that `User.save` stores goes through `write`."""

    email: Any
    email_verified_at: Any
    was_verified: Any
    is_active: Any
    is_deleted: Any
    kept_from: Any

    class Meta:
        abstract = True

    @property
    def is_moved(self) -> bool:
        """Whether the e-mail address differs from the stored one."""
        return normalize_identifier(self.email) != self.row["email_canonical"]

    def write(self, names: set[str], keep_sid: UUID | None = None) -> None:
        """Update these columns, and record the events. If the change ends sessions, end
        all but `keep_sid` in the same transaction. A new e-mail address is not verified
        yet."""
        if moved := "email" in names and self.is_moved:
            old = self.row["email"]
            self.was_verified |= self.email_verified_at is not None
            self.email_verified_at = None
            names = names | {"email_verified_at", "was_verified"}
        with transaction.atomic(savepoint=False):
            super().write(names | self.derived(names))
            if moved:  # no link may take the old address back
                links.void(~links.CANCELLING, user=self)
                EmailChange.objects.filter(user=self.pk).delete()
                notices.of_move(self, old)
            if reason := self.why_sessions_end(names):
                self.raise_epoch(reason, keep_sid, "password" in names)
                notices.of_end(self, reason)
            self.record_update(names, keep_sid)

    def raise_epoch(
        self,
        reason: str,
        keep_sid: UUID | None = None,
        password_changed: bool = False,
    ) -> None:
        """End all sessions but `keep_sid`, with a push after the commit."""
        row = self.rows().raise_epoch(
            self.pk,
            keep_sid,
            reason=reason,
            password_changed=password_changed,
            absent=True,
        )
        if row is None:
            raise self.DoesNotExist
        vars(self).update(row)
        self.remember(row)
        epoch, keep_from = self.session_epoch, self.kept_from
        push = partial(revocation.push, self.pk, epoch, reason, keep_sid, keep_from)
        transaction.on_commit(push, robust=True)

    def record_update(self, names: set[str], sid: UUID | None) -> None:
        """Record rights that were given or taken, a password that was set (by session
        `sid`), and the names of other changed columns, never their values."""
        if given := sorted(RIGHTS & names):
            added = [name for name in given if getattr(self, name)]
            removed = [name for name in given if name not in added]
            rights = {"fields": given, "added": added, "removed": removed}
            record("privilege_permissions_changed", self.pk, **rights)
        if "password" in names:
            session = {"sid": str(sid)} if sid else {}
            # `raise_epoch` has written the row of this event.
            audit("authn_password_change", user_id=str(self.pk), **session, **source())
        if fields := sorted(names - RIGHTS - OWN_EVENTS):
            record("user_updated", self.pk, fields=fields)

    def why_sessions_end(self, changed: set[str]) -> str:
        """The reason why these changes end sessions; an empty string if they do not."""
        if "deleted_at" in changed and self.is_deleted:
            return "user_deleted"
        if "is_active" in changed and not self.is_active:
            return "user_deactivated"
        return "password_changed" if "password" in changed else ""

    def derived(self, changed: set[str]) -> set[str]:
        """The columns that follow from changed ones when the row is saved."""
        names = {f"{name}_canonical" for name in IDENTIFIERS & changed}
        return names if changed == {"last_login"} else names | {"updated_at"}
