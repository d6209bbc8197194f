"""Sessions: one row per log-in. Rotation changes the row and never adds one."""

import uuid
from datetime import datetime, timedelta
from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.db import connections, models

from shared.auth.session_state import Revocation
from shared.limits import floor
from tokens import statements

# A row is kept this long after it expired, so that "no row" can mean "revoked".
RETENTION = timedelta(days=1)


class ClockTimestamp(models.Func):
    """The database's clock. `now()` is the transaction's start: it would lose the time
    a statement waited for a lock."""

    template = "clock_timestamp()"
    output_field = models.DateTimeField()


class SessionQuerySet(models.QuerySet["Session"]):
    """Reads by the ORM; the writes that must be one statement by `statements`."""

    def open(self, user: dict[str, Any], ip: str | None, user_agent: str) -> "Session":
        """Start a session for a user whose password was just verified."""
        parameters = {
            "id": uuid.uuid4(),
            "user_id": user["sub"],
            "user_epoch": user["session_epoch"],
            "jti": uuid.uuid4(),
            "ip": ip,
            "user_agent": user_agent,
            "lifetime": timedelta(seconds=settings.REFRESH_TOKEN_LIFETIME),
            "absolute": timedelta(seconds=settings.SESSION_ABSOLUTE_LIFETIME),
        }
        [session] = self.execute(statements.OPEN, parameters)
        return session

    def rotate(self, sid: UUID, jti: UUID, epoch: int) -> "Session | None":
        """Replace the refresh token `jti` of a session, at most once per leeway.

        None: nothing was changed, and the row says why. Of any number of callers one
        wins (RFC 9700 section 4.14.2).
        """
        parameters = {
            "id": sid,
            "presented": jti,
            "new": uuid.uuid4(),
            "epoch": epoch,
            "lifetime": timedelta(seconds=settings.REFRESH_TOKEN_LIFETIME),
            "leeway": timedelta(seconds=settings.REFRESH_REUSE_LEEWAY),
        }
        return next(iter(self.execute(statements.ROTATE, parameters)), None)

    def revoke(self, sid: UUID, reason: str) -> "Session | None":
        """End a session and return it, also if it had ended; None if there is none."""
        parameters = {"id": sid, "reason": reason}
        return next(iter(self.execute(statements.REVOKE, parameters)), None)

    def revoke_below(
        self, user_id: UUID, epoch: int, reason: str, keep: UUID | None
    ) -> list["Session"]:
        """End a user's sessions of an older epoch, but `keep`; return the ended."""
        parameters = {
            "user_id": user_id,
            "epoch": epoch,
            "reason": reason,
            "keep": keep,
        }
        return self.execute(statements.REVOKE_BELOW, parameters)

    def revoke_own(self, sid: UUID, user_id: UUID, reason: str) -> "Session | None":
        """End a live session of this user and return it; None if there is none."""
        parameters = {"id": sid, "user_id": user_id, "reason": reason}
        return next(iter(self.execute(statements.REVOKE_OWN, parameters)), None)

    def revoke_surplus(self, user_id: UUID, cap: int, reason: str) -> list["Session"]:
        """End a user's live sessions but the `cap` last used; return the ended."""
        parameters = {"user_id": user_id, "cap": cap, "reason": reason}
        return self.execute(statements.REVOKE_SURPLUS, parameters)

    def revoke_live(
        self, user_id: UUID | None, reason: str, limit: int
    ) -> list["Session"]:
        """End at most `limit` live sessions of a user, or of everybody (None)."""
        parameters = {"user_id": user_id, "reason": reason, "limit": limit}
        return self.execute(statements.REVOKE_LIVE, parameters)

    def live(self) -> Self:
        """Sessions that can be used: neither revoked nor expired."""
        return self.filter(revoked_at=None, expires_at__gt=ClockTimestamp())

    def of_user(self, user_id: UUID) -> Self:
        return self.filter(user_id=user_id)

    def last_used_first(self) -> Self:
        return self.order_by("-last_used_at", "-id")

    def with_clock(self) -> Self:
        """Each session with `clock`, the database's time of the reading."""
        return self.annotate(clock=ClockTimestamp())

    def revoked_within(self, period: timedelta) -> Self:
        """Sessions whose revocation is no older than `period`."""
        return self.filter(revoked_at__gt=ClockTimestamp() - period)

    def purgeable(self) -> Self:
        """Sessions whose row nobody needs any more."""
        return self.filter(expires_at__lt=ClockTimestamp() - RETENTION)

    def execute(self, statement: str, parameters: dict[str, Any]) -> "list[Session]":
        """Run a statement that returns whole rows (`update()` would only count them).

        Outside a transaction it commits itself; a failure means that the outcome is
        unknown, and must reach the client as 503. Not by `raw`, which finds out anew
        every time what the columns are.
        """
        with connections[self.db].cursor() as cursor:
            cursor.execute(statement, parameters)
            columns = [column.name for column in cursor.description]
            rows = [dict(zip(columns, row, strict=True)) for row in cursor]
        fields = [field.attname for field in self.model._meta.concrete_fields]
        return [
            self.model.from_db(self.db, fields, [row[name] for name in fields])
            for row in rows
        ]


class Tally(floor.Tally):
    """How often something was tried, while Redis is away (docs/limits.md)."""


class Session(models.Model):
    """A log-in on one device, from the password to logout, revocation or expiry."""

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, help_text="Claim `sid`."
    )
    user_id = models.UUIDField(db_index=True, help_text="In the User Service.")
    user_epoch = models.PositiveIntegerField(
        help_text="The user's session_epoch at log-in; below the user's it is dead."
    )
    jti = models.UUIDField(help_text="Of the current refresh token.")
    previous_jti = models.UUIDField(null=True, help_text="Of its direct predecessor.")
    rotated_at = models.DateTimeField(null=True, help_text="Null until first rotated.")
    created_at = models.DateTimeField()
    last_used_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True, help_text="Unless refreshed.")
    absolute_expires_at = models.DateTimeField(help_text="Refreshed or not.")
    revoked_at = models.DateTimeField(null=True)
    revoked_reason = models.CharField(max_length=32, default="")
    user_agent = models.CharField(max_length=256, default="")
    ip = models.GenericIPAddressField(null=True)

    clock: datetime  # annotated by `with_clock`

    objects = SessionQuerySet.as_manager()

    class Meta:
        indexes = (
            models.Index(
                fields=["revoked_at"],
                name="session_revoked_at",
                condition=models.Q(revoked_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"session {self.id}"

    @property
    def refreshed_at(self) -> datetime:
        """When its current refresh token was issued."""
        return self.rotated_at or self.created_at

    def revocation(self, now: datetime) -> Revocation:
        """What Redis is told: for as long as any token of the session could be used."""
        remaining = max((self.expires_at - now).total_seconds(), 0)
        grace = settings.ACCESS_TOKEN_LIFETIME + settings.JWT_LEEWAY
        return Revocation(self.id, self.revoked_reason, int(remaining) + grace)
