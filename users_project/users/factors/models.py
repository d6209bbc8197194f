"""Second factors, recovery codes, challenges and resets of factors."""

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q

TOTP_COLUMNS = ("secret", "last_step")
PASSKEY_COLUMNS = (
    *("credential_id", "public_key", "user_handle", "sign_count"),
    *("transports", "backed_up"),
)


class Type(models.TextChoices):
    TOTP = "totp"  # RFC 6238
    PASSKEY = "passkey"  # WebAuthn Level 3


def columns_of(factor_type: Type, own: tuple[str, ...], other: tuple[str, ...]) -> Q:
    """The condition that a row of this type has all of its columns and no others."""
    there = {f"{name}__isnull": False for name in own}
    return Q(type=factor_type, **there, **{f"{name}__isnull": True for name in other})


class Factor(models.Model):
    """An authenticator of a user. It counts once it is confirmed. Registering a passkey
    confirms it."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="factors"
    )
    type = models.CharField(max_length=16, choices=Type)
    name = models.CharField(max_length=64, blank=True)
    created_at = models.DateTimeField(auto_now_add=True)
    confirmed_at = models.DateTimeField(null=True)
    last_used_at = models.DateTimeField(null=True)
    secret = models.BinaryField(
        null=True, help_text="Of a TOTP, encrypted (`users.factors.secrets`)."
    )
    last_step = models.PositiveBigIntegerField(
        null=True, help_text="The last time step whose code was accepted."
    )
    credential_id = models.BinaryField(null=True, unique=True)
    public_key = models.BinaryField(null=True, help_text="COSE (RFC 9052).")
    user_handle = models.BinaryField(
        null=True, help_text="Random; the same for all passkeys of a user."
    )
    sign_count = models.PositiveBigIntegerField(null=True)
    transports = ArrayField(models.CharField(max_length=16), null=True)
    backed_up = models.BooleanField(null=True, help_text="Synchronised, so not lost.")
    suspect_at = models.DateTimeField(
        null=True, help_text="When its counter went back: a copy may exist."
    )

    amr: tuple[str, ...]  # of a passkey whose assertion was just verified (RFC 8176)

    class Meta:
        indexes = (
            models.Index(  # for the purge
                fields=["created_at"],
                condition=Q(confirmed_at=None),
                name="factor_unconfirmed",
            ),
        )
        constraints = (
            models.CheckConstraint(
                condition=columns_of(Type.TOTP, TOTP_COLUMNS, PASSKEY_COLUMNS)
                | columns_of(Type.PASSKEY, PASSKEY_COLUMNS, TOTP_COLUMNS),
                name="factor_columns",
            ),
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(type=Type.TOTP, confirmed_at__isnull=False),
                name="factor_one_totp",
            ),
            models.UniqueConstraint(
                fields=["user"],
                condition=Q(type=Type.TOTP, confirmed_at=None),
                name="factor_one_pending_totp",
            ),
        )

    def __str__(self) -> str:
        return f"{self.type} {self.pk}"


class RecoveryCode(models.Model):
    """One of ten codes that each stand in for a factor once."""

    id = models.BigAutoField(primary_key=True)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, related_name="recovery_codes"
    )
    digest = models.BinaryField(help_text="SHA-256 of the user's id and the code.")
    used_at = models.DateTimeField(null=True)

    class Meta:
        indexes = (
            models.Index(  # for the purge
                fields=["used_at"],
                condition=Q(used_at__isnull=False),
                name="recovery_code_used",
            ),
        )

    def __str__(self) -> str:
        return f"recovery code {self.pk}"


class Challenge(models.Model):
    """A challenge for a new passkey, or in the admin for a factor or passkey of a user
    who logs in or confirms who they are."""

    class Purpose(models.TextChoices):
        REGISTER = "register"
        ADMIN_LOGIN = "admin_login"
        ADMIN_PASSKEY = "admin_passkey"  # without a password: no user is known yet

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    purpose = models.CharField(max_length=16, choices=Purpose)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="challenges"
    )
    session_epoch = models.PositiveBigIntegerField(
        default=0, help_text="The user's when it was made; another voids it."
    )
    challenge = models.BinaryField()
    user_handle = models.BinaryField(
        null=True, help_text="What the passkey that is being registered gets."
    )
    attempts = models.PositiveSmallIntegerField(default=0)
    created_at = models.DateTimeField(auto_now_add=True)
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    def __str__(self) -> str:
        return f"challenge {self.pk} ({self.purpose})"


class FactorReset(models.Model):
    """An operator's request to remove all factors of a user at `due_at`."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        primary_key=True,
        related_name="factor_reset",
    )
    operator = models.CharField(
        max_length=64, help_text="The id of who asked, or `operator`: by a command."
    )
    reason = models.CharField(max_length=500)
    created_at = models.DateTimeField(auto_now_add=True)
    due_at = models.DateTimeField(db_index=True)

    class Meta:
        db_table = "users_factor_reset"

    def __str__(self) -> str:
        return f"reset of the factors of user {self.user_id}"


# The models here with data about a user. (`User` is in `users.models`.)
OF_USER = (Factor, RecoveryCode, Challenge, FactorReset)
