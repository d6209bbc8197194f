"""Mails that wait and mails that were sent: rows for the worker, without their text."""

from uuid import uuid4

from django.conf import settings
from django.db import models
from django.db.models.functions import Coalesce

from users.db.fields import CanonicalField


class Kind(models.TextChoices):
    """What a mail says. Each has a template."""

    REGISTER = "register"
    ALREADY_REGISTERED = "already_registered"
    VERIFY = "verify"
    RESET = "reset"
    PASSWORD_CHANGED = "password_changed"  # noqa: S105 (no password)
    PASSWORD_REMOVED = "password_removed"  # noqa: S105 (none either)
    CHANGE_EMAIL = "change_email"
    EMAIL_CHANGE_REQUESTED = "email_change_requested"
    EMAIL_CHANGED = "email_changed"
    NEW_DEVICE = "new_device"
    LOGIN_BLOCKED = "login_blocked"
    DELETION = "deletion"
    RESTORED = "restored"
    DEACTIVATED = "deactivated"
    ENROL = "enrol"
    FACTOR_ADDED = "factor_added"
    FACTOR_REMOVED = "factor_removed"
    FACTOR_GUESSES = "factor_guesses"
    RECOVERY_CODE_USED = "recovery_code_used"
    RECOVERY_CODES_REPLACED = "recovery_codes_replaced"
    PASSKEY_SUSPECT = "passkey_suspect"
    FACTORS_RESET_REQUESTED = "factors_reset_requested"
    FACTORS_RESET = "factors_reset"


# Mails whose only content is a link that somebody has asked for.
LINKED = {Kind.REGISTER, Kind.VERIFY, Kind.RESET, Kind.CHANGE_EMAIL, Kind.ENROL}
# Mails that tell the owner what has happened to the account.
NOTICES = frozenset(Kind) - LINKED - {Kind.ALREADY_REGISTERED}

# When a mail was sent or given up.
SETTLED = Coalesce("sent_at", "failed_at")


class Mail(models.Model):
    """One mail to one address, also if the account gets another address meanwhile."""

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=32, choices=Kind)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        null=True,
        related_name="+",
        db_index=False,  # `mail_of_user` begins with it
    )
    registration = models.ForeignKey(
        "users.Registration", models.SET_NULL, null=True, related_name="+"
    )
    # Links are deleted before the mails that brought them.
    link = models.ForeignKey("users.Link", models.SET_NULL, null=True, related_name="+")
    address = models.EmailField(max_length=254)
    address_canonical = CanonicalField(source="address", max_length=254)
    locale = models.CharField(max_length=8)
    context = models.JSONField(
        default=dict, help_text="Device, network and time; no name, no link."
    )
    message_id = models.UUIDField(
        default=uuid4, unique=True, help_text="The same in every attempt to send it."
    )
    created_at = models.DateTimeField(auto_now_add=True)
    sent_at = models.DateTimeField(null=True)
    failed_at = models.DateTimeField(null=True)
    last_error = models.CharField(
        max_length=100, default="", help_text="The class of the exception."
    )

    class Meta:
        indexes = (
            # For the daily limit of mails to one address.
            models.Index(
                fields=["address_canonical", "created_at"], name="mail_address"
            ),
            models.Index(fields=["user", "kind", "created_at"], name="mail_of_user"),
            models.Index(
                fields=["created_at"],
                name="mail_waiting",
                condition=models.Q(sent_at=None, failed_at=None),
            ),
            models.Index(SETTLED, name="mail_settled"),
        )

    def __str__(self) -> str:
        return f"mail {self.pk} ({self.kind})"
