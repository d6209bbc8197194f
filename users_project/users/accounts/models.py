"""Links that were sent, and rows that wait for a link or for the worker: accounts to be
made, addresses to be changed, addresses that somebody typed."""

import uuid
from datetime import timedelta
from typing import NamedTuple

from django.conf import settings
from django.db import models

from users.db.fields import CanonicalField
from users.mail.models import Kind


class Purpose(models.TextChoices):
    """What a link does."""

    REGISTER = "register"
    VERIFY = "verify"
    RESET = "reset"
    CHANGE_EMAIL = "change_email"
    UNDO_EMAIL = "undo_email"
    RESTORE = "restore"
    ENROL = "enrol"  # mailed, or printed for an operator to hand over
    KEEP_FACTORS = "keep_factors"  # cancels what an operator has asked for


class LinkKind(NamedTuple):
    """How long a link works, which mail brings it, and where it leads: a key of
    ACCOUNT_URLS."""

    lifetime: timedelta
    mail: Kind
    page: str


LINK_KINDS = {
    Purpose.REGISTER: LinkKind(timedelta(hours=24), Kind.REGISTER, "verify"),
    Purpose.VERIFY: LinkKind(timedelta(days=7), Kind.VERIFY, "verify"),
    Purpose.RESET: LinkKind(timedelta(minutes=30), Kind.RESET, "reset"),
    Purpose.CHANGE_EMAIL: LinkKind(timedelta(hours=24), Kind.CHANGE_EMAIL, "email"),
    Purpose.UNDO_EMAIL: LinkKind(timedelta(days=7), Kind.EMAIL_CHANGED, "email_undo"),
    Purpose.RESTORE: LinkKind(timedelta(days=14), Kind.DELETION, "restore"),
    Purpose.ENROL: LinkKind(timedelta(hours=1), Kind.ENROL, "enrol"),
    Purpose.KEEP_FACTORS: LinkKind(
        timedelta(days=7), Kind.FACTORS_RESET_REQUESTED, "keep_factors"
    ),
}


class Registration(models.Model):
    """An account that somebody asked for, until the mailed link finishes it. It has no
    password: that is chosen then."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    email = models.EmailField(max_length=254)
    email_canonical = CanonicalField(source="email", max_length=254, db_index=True)
    username = models.CharField(max_length=50)
    first_name = models.CharField(max_length=150, blank=True)
    last_name = models.CharField(max_length=150, blank=True)
    display_name = models.CharField(max_length=150, blank=True)
    avatar_url = models.CharField(max_length=500, blank=True)
    locale = models.CharField(max_length=8)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    def __str__(self) -> str:
        return f"registration {self.pk}"


class Link(models.Model):
    """A link that was mailed or handed over. Its token is a function of this row and of
    SECRET_KEY (`users.accounts.links`), so nothing that can be used is stored."""

    id = models.UUIDField(primary_key=True, default=uuid.uuid4)
    purpose = models.CharField(max_length=32, choices=Purpose)
    user = models.ForeignKey(
        settings.AUTH_USER_MODEL, models.CASCADE, null=True, related_name="links"
    )
    registration = models.ForeignKey(
        Registration, models.CASCADE, null=True, related_name="links"
    )
    address = models.EmailField(max_length=254, help_text="In canonical form.")
    session_epoch = models.PositiveBigIntegerField(
        default=0, help_text="The user's when it was made; another voids the link."
    )
    attempts = models.PositiveSmallIntegerField(
        default=0, help_text="Wrong passwords; five void the link."
    )
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField(db_index=True)
    used_at = models.DateTimeField(null=True)

    class Meta:
        constraints = (
            models.CheckConstraint(
                condition=models.Q(user=None) ^ models.Q(registration=None),
                name="link_of_one",
            ),
        )
        indexes = (
            # For `links.is_held`: whether a user can still take the address back.
            models.Index(
                fields=["address"],
                condition=models.Q(purpose=Purpose.UNDO_EMAIL, used_at=None),
                name="link_undo",
            ),
        )

    def __str__(self) -> str:
        return f"link {self.pk} ({self.purpose})"


class EmailChange(models.Model):
    """The address that a user has asked for; one for each user."""

    user = models.OneToOneField(
        settings.AUTH_USER_MODEL,
        models.CASCADE,
        primary_key=True,
        related_name="email_change",
    )
    email = models.EmailField(max_length=254)
    created_at = models.DateTimeField()
    expires_at = models.DateTimeField()

    def __str__(self) -> str:
        return f"change of address of user {self.user_id}"


class AddressRequest(models.Model):
    """An address that somebody typed to ask for a mail. The worker looks for its
    account, so that the request takes the same time with and without one."""

    class Kind(models.TextChoices):
        RESET = "reset"
        RESEND = "resend"

    id = models.BigAutoField(primary_key=True)
    kind = models.CharField(max_length=16, choices=Kind)
    address = models.EmailField(max_length=254)
    created_at = models.DateTimeField(auto_now_add=True, db_index=True)

    class Meta:
        db_table = "users_request"

    def __str__(self) -> str:
        return f"request {self.pk} ({self.kind})"
