"""Logins and step-ups that wait for their last factor.

The client has a random text, the row its digest. It grants nothing, and limits the
tries. The statement that opens a session, or raises its level, settles it once.
"""

import hashlib
import secrets
import uuid
from collections.abc import Sequence
from datetime import timedelta
from typing import Any, Self
from uuid import UUID

from django.db import connections, models
from jwt.utils import base64url_encode

from shared.api.exceptions import LoginSettled, TokenInvalid
from shared.auth import passkeys as passkey_options
from shared.db.functions import ClockTimestamp

LIFETIME = passkey_options.TIMEOUT
TRIES = 5

# One statement: of any number of simultaneous tries, at most TRIES are verified.
ATTEMPT = """
UPDATE tokens_login SET attempts = attempts + 1
WHERE digest = %(digest)s
  AND purpose = %(purpose)s
  AND sid IS NOT DISTINCT FROM %(sid)s::uuid
  AND settled_at IS NULL
  AND expires_at > clock_timestamp()
  AND attempts < %(tries)s
RETURNING
    id, digest, purpose, user_id, user_epoch, sid, challenge, attempts,
    created_at, expires_at, settled_at
"""


class PendingLoginQuerySet(models.QuerySet["PendingLogin"]):
    """Begins, tries and settles pending logins."""

    def begin(self, purpose: str, **columns: Any) -> "PendingLogin":
        """A new pending login. Its `text` is only for the client."""
        text = secrets.token_urlsafe(32)
        login = self.create(
            digest=digest(text),
            purpose=purpose,
            challenge=secrets.token_bytes(32),
            created_at=ClockTimestamp(),
            expires_at=ClockTimestamp() + timedelta(seconds=LIFETIME),
            **columns,
        )
        login.text = text
        return login

    def attempt(
        self, text: str, purpose: str, sid: UUID | None = None
    ) -> "PendingLogin":
        """Spend a try of a pending login. Raises LoginSettled; TokenInvalid if it is
        unknown, expired, out of tries, or begun for another purpose.

        Returns the connection to the pool before the call to the User Service.
        """
        named = {"digest": digest(text), "purpose": purpose, "sid": sid}
        login = next(iter(self.raw(ATTEMPT, {**named, "tries": TRIES})), None)
        if login is None:
            raise self.refusal(**named)
        if not connections[self.db].in_atomic_block:
            connections[self.db].close()
        return login

    def waiting(self) -> Self:
        """Those that are neither settled nor expired."""
        return self.filter(settled_at=None, expires_at__gt=ClockTimestamp())

    def refusal(self, **named: Any) -> LoginSettled | TokenInvalid:
        """The error for a pending login that cannot be used."""
        settled = self.filter(**named).exclude(settled_at=None).exists()
        return LoginSettled() if settled else TokenInvalid()

    def settle(self, login: "PendingLogin") -> None:
        """Settle a pending login that opens no session. Raises LoginSettled."""
        waiting = self.filter(id=login.id, settled_at=None)
        if not waiting.update(settled_at=ClockTimestamp()):
            raise LoginSettled


class PendingLogin(models.Model):
    """A login or step-up that waits for its last factor. It is not a session: it only
    gives the right to try."""

    class Purpose(models.TextChoices):
        SECOND_FACTOR = "second_factor"
        ENROL = "enrol"  # the account must have a factor and has none
        PASSKEY = "passkey"  # without a password; the passkey says who the user is
        STEP_UP = "step_up"

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    digest = models.BinaryField(
        unique=True, help_text="SHA-256 of what the client has."
    )
    purpose = models.CharField(max_length=16, choices=Purpose)
    user_id = models.UUIDField(null=True, help_text="In the User Service.")
    user_epoch = models.PositiveBigIntegerField(
        default=0, help_text="The user's when it was made; another voids it."
    )
    sid = models.UUIDField(null=True, help_text="The session that steps up.")
    challenge = models.BinaryField(help_text="What a passkey signs.")
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    settled_at = models.DateTimeField(null=True)

    text: str  # what the client has; only `begin` sets it

    objects = PendingLoginQuerySet.as_manager()

    class Meta:
        db_table = "tokens_login"
        indexes = [
            models.Index(  # for an erasure
                fields=["user_id"],
                name="login_of_user",
                condition=models.Q(user_id__isnull=False),
            )
        ]

    def __str__(self) -> str:
        return f"login {self.id} ({self.purpose})"

    @property
    def tries_left(self) -> int:
        return TRIES - self.attempts

    @property
    def challenge_text(self) -> str:
        """The challenge as WebAuthn's JSON has it."""
        return base64url_encode(bytes(self.challenge)).decode()

    def invitation(
        self, factors: Sequence[str], passkeys: Sequence[dict[str, Any]]
    ) -> dict[str, Any]:
        """What the client needs for the last factor, one of `factors`."""
        invitation = {"login": self.text, "expires_in": LIFETIME, "factors": factors}
        if "passkey" in factors:
            invitation["passkey"] = self.request_options(passkeys)
        return invitation

    def request_options(self, passkeys: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """PublicKeyCredentialRequestOptionsJSON (WebAuthn Level 3) for these passkeys,
        or, without any, for every passkey that the browser has for this site."""
        return passkey_options.request_options(bytes(self.challenge), passkeys)


def digest(text: str) -> bytes:
    """The digest of a client's text, without salt: the text has 256 random bits."""
    return hashlib.sha256(text.encode()).digest()
