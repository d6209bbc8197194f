"""Sessions: one row per login. Rotation changes the row and never adds one."""

import uuid
from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from heapq import nlargest
from operator import itemgetter
from typing import Any, Self
from uuid import UUID

from django.conf import settings
from django.db import OperationalError, connections, models
from django.db.models.functions import Now

from shared.auth import session_state
from shared.auth.authentication import TokenUser
from shared.db import is_unanswered
from shared.db.functions import ClockTimestamp
from shared.events.models import origin
from tokens import statements
from tokens.events import Event as Event
from tokens.events import EventPersonal as EventPersonal
from tokens.pending_logins import PendingLogin as PendingLogin

# A key in Redis: this refresh token was made, and perhaps no client has received it.
UNDELIVERED = "auth:undelivered:{}"
PAGE = 10_000  # rows that a statement reads of a whole table


@dataclass(frozen=True)
class SessionPolicy:
    """Which sessions of a user may continue: those with `epoch` or a higher one, and
    `kept_sid` if its epoch is at least `kept_from`. If a second factor is required
    (`needs_factor`), only those of them that have one."""

    epoch: int
    kept_sid: UUID | None = None
    kept_from: int | None = None
    needs_factor: bool = False

    @classmethod
    def of(cls, user: dict[str, Any]) -> Self:
        """The policy in an answer of the User Service."""
        kept_sid = user["kept_sid"]
        return cls(
            user["session_epoch"],
            kept_sid and UUID(kept_sid),
            user["kept_from"],
            user["second_factor_required"],
        )

    def ends(self, session: "Session") -> bool:
        """Whether its epoch ends the session: the opposite of ROTATE's condition."""
        if session.user_epoch >= self.epoch:
            return False
        if session.id != self.kept_sid or self.kept_from is None:
            return True
        return session.user_epoch < self.kept_from


class SessionQuerySet(models.QuerySet["Session"]):
    """Reads use the ORM. Writes that must be one statement use `statements`."""

    def open(
        self,
        user: dict[str, Any],
        ip: str | None,
        user_agent: str,
        *,
        acr: str = "aal1",
        amr: str = "pwd",
        login: UUID | None = None,
    ) -> "Session | None":
        """Start a session for a user who was just verified. None if their epoch has
        been raised since, or the pending `login` was settled or has expired."""
        parameters = {
            "acr": acr,
            "amr": amr,
            "login": login,
            "id": uuid.uuid4(),
            "user_id": user["sub"],
            "user_epoch": user["session_epoch"],
            "jti": uuid.uuid4(),
            "ip": ip,
            "user_agent": user_agent,
            "lifetime": timedelta(seconds=settings.REFRESH_TOKEN_LIFETIME),
            "absolute": timedelta(seconds=settings.SESSION_ABSOLUTE_LIFETIME),
        }
        statement = statements.OPEN if login is None else statements.OPEN_PENDING
        return next(iter(self.execute(statement, parameters)), None)

    def step_up(self, login: PendingLogin, amr: list[str]) -> "Session | None":
        """Settle a pending step-up that was verified by `amr`, and set the session's
        time and level: aal2 by a factor, aal1 by a password. None if the login was
        settled or has expired, or the session has ended."""
        parameters = {"login": login.id, "amr": amr, "is_factor": amr != ["pwd"]}
        return next(iter(self.execute(statements.STEP_UP, parameters)), None)

    def rotate(self, sid: UUID, jti: UUID, policy: SessionPolicy) -> "Session | None":
        """Replace the refresh token `jti` of a session, at most once per leeway.

        Returns None if it changed nothing: the row says why. Of any number of callers
        one succeeds (RFC 9700 section 4.14.2).
        """
        new = uuid.uuid4()
        parameters = {
            "id": sid,
            "presented": jti,
            "new": new,
            **vars(policy),
            "lifetime": timedelta(seconds=settings.REFRESH_TOKEN_LIFETIME),
            "leeway": timedelta(seconds=settings.REFRESH_REUSE_LEEWAY),
        }
        connections[self.db].ensure_connection()  # without one, nothing is committed
        try:
            return next(iter(self.execute(statements.ROTATE, parameters)), None)
        except OperationalError as exc:
            if is_unanswered(exc):
                session_state.note(UNDELIVERED.format(new), "", ttl=3600)
            raise

    def revoke(self, sid: UUID, reason: str, *deeds: str) -> "Session | None":
        """End a session and return it, even if it had ended before. None if it has no
        row. If it lived, the events `deeds` are recorded too."""
        events = ["authn_token_revoked", *deeds]
        parameters = {"id": sid, "reason": reason, "events": events}
        return next(iter(self.execute(statements.REVOKE, parameters)), None)

    def raise_floors(self, user_ids: Collection[UUID], epoch: int) -> None:
        """Let no session of these users open below `epoch`. Must be called before
        `revoke_below`, as a separate statement."""
        parameters: dict[str, Any] = {"user_ids": list(user_ids), "epoch": epoch}
        with connections[self.db].cursor() as cursor:
            cursor.execute(statements.RAISE_FLOORS, parameters)

    def revoke_below(
        self,
        user_ids: Collection[UUID],
        epoch: int,
        reason: str,
        kept_sid: UUID | None = None,
        kept_from: int | None = None,
        caller: TokenUser | None = None,
    ) -> "list[Session]":
        """End the sessions of these users below `epoch` and return them.

        If the epoch of `kept_sid` is at least `kept_from`, its epoch is raised instead.
        `caller` is the user who logs out everywhere.
        """
        parameters = {
            "user_ids": list(user_ids),
            "epoch": epoch,
            "reason": reason,
            "kept_sid": kept_sid,
            "kept_from": kept_from,
            "caller": caller and caller.id,
            "caller_sid": caller and caller.sid,
        }
        return self.execute(statements.REVOKE_BELOW, parameters)

    def revoke_own(self, sid: UUID, user_id: UUID, reason: str) -> "Session | None":
        """End a live session of this user and return it; None if there is none."""
        parameters = {"id": sid, "user_id": user_id, "reason": reason}
        return next(iter(self.execute(statements.REVOKE_OWN, parameters)), None)

    def revoke_live(self, ids: list[UUID], reason: str) -> list["Session"]:
        """End those of these sessions that are live."""
        parameters = {"ids": ids, "reason": reason}
        return self.execute(statements.REVOKE_LIVE, parameters)

    def highest_epochs(self, limit: int) -> list[tuple[UUID, int]]:
        """The users with the highest epochs that auth has received, with the epochs,
        the highest first."""
        highest: dict[UUID, int] = {}
        with connections[self.db].cursor() as cursor:
            for statement in (statements.FLOORS, statements.SESSION_EPOCHS):
                page: dict[str, Any] = {"after": UUID(int=0), "limit": PAGE}
                while rows := cursor.execute(statement, page).fetchall():
                    for _, user_id, epoch in rows:
                        highest[user_id] = max(epoch, highest.get(user_id, 0))
                    page["after"] = rows[-1][0]
                    best = nlargest(limit, highest.items(), key=itemgetter(1))
                    highest = dict(best)
        return list(highest.items())

    def live(self) -> Self:
        """Sessions that can be used: neither revoked nor expired."""
        return self.filter(revoked_at=None, expires_at__gt=ClockTimestamp())

    def live_of(self, user_id: UUID) -> Self:
        """The live sessions of a user, the last used first."""
        return self.live().filter(user_id=user_id).order_by("-last_used_at", "-id")

    def with_clock(self) -> Self:
        """The sessions with `clock`: the database's time when it reads the row."""
        return self.annotate(clock=ClockTimestamp())

    def revoked_within(self, period: timedelta) -> Self:
        """Sessions whose revocation is no older than `period`. By the time of the
        statement: no index finds what is later than a clock that moves on."""
        return self.filter(revoked_at__gt=Now() - period)

    def execute(self, statement: str, parameters: dict[str, Any]) -> "list[Session]":
        """Run a statement that returns whole rows (`update()` would only count them),
        with the context of the events that it writes.

        Outside a transaction the statement commits by itself. If it fails, its outcome
        is unknown, so the client must receive a 503. `raw` would look up the columns
        every time.
        """
        with connections[self.db].cursor() as cursor:
            cursor.execute(statement, parameters | origin())
            names = [column.name for column in cursor.description]
            found: list[Session] = []
            for row in cursor:
                columns = dict(zip(names, row, strict=True))
                has_lived = columns.pop("has_lived", True)
                found.append(self.model(**columns))
                found[-1].has_lived = has_lived
            return found


class UserEpoch(models.Model):
    """A user's highest session epoch that auth has received: the floor for logins."""

    user_id = models.UUIDField(primary_key=True, help_text="In the User Service.")
    epoch = models.PositiveBigIntegerField(help_text="No session opens below it.")

    def __str__(self) -> str:
        return f"epoch {self.epoch} of user {self.user_id}"


class Session(models.Model):
    """A login on one device, from the password to logout, revocation or expiry."""

    id = models.UUIDField(
        primary_key=True, default=uuid.uuid4, help_text="Claim `sid`."
    )
    user_id = models.UUIDField(help_text="In the User Service.")
    user_epoch = models.PositiveBigIntegerField(
        help_text="The user's session_epoch at login; below the user's it is dead."
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
    acr = models.CharField(
        max_length=8, default="aal1", db_default="aal1", help_text="RFC 9068, 9470."
    )
    amr = models.CharField(
        max_length=64,
        default="pwd",
        db_default="pwd",
        help_text="How the user was authenticated (RFC 8176), by spaces.",
    )
    stepped_up_at = models.DateTimeField(
        null=True, help_text="The last authentication, if there was one after login."
    )

    clock: datetime  # annotated by `with_clock`
    has_lived: bool  # whether it lived until the statement that returned it as ended

    objects = SessionQuerySet.as_manager()

    class Meta:
        indexes = (
            # A user who logs in often has many that have ended. No refresh changes it.
            models.Index(fields=["user_id", "revoked_at"], name="session_of_user"),
            models.Index(
                fields=["revoked_at"],
                name="session_revoked_at",
                condition=models.Q(revoked_at__isnull=False),
            ),
        )

    def __str__(self) -> str:
        return f"session {self.id}"

    @property
    def lacks_factor(self) -> bool:
        """Whether it has neither a second factor nor a trusted device in its place: the
        opposite of ROTATE's condition."""
        return self.acr == "aal1" and "rba" not in self.amr.split()
