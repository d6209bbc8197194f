"""Users: their data, whether they are present, and when their sessions end."""

from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth.models import Group, PermissionsMixin
from django.contrib.postgres.indexes import GinIndex
from django.core.exceptions import ValidationError
from django.db import models, transaction
from django.db.models.functions import Collate, Lower
from django.utils import timezone

from users import validators
from users.accounts import links
from users.accounts.models import LINK_KINDS, Purpose
from users.accounts.models import EmailChange as EmailChange
from users.db.fields import CanonicalField
from users.db.recorded_model import IDENTIFIERS, RecordedModel
from users.db.search import SEARCHED, trigrams
from users.events.models import Event as Event
from users.events.models import EventPersonal as EventPersonal
from users.factors import policy
from users.factors.models import Factor as Factor
from users.factors.models import RecoveryCode as RecoveryCode
from users.mail.models import Mail as Mail
from users.managers import UserManager
from users.roles import Role as Role
from users.validators import normalize_identifier

LAST_LOGIN = models.F("last_login")


def check(name: str, **condition: Any) -> models.CheckConstraint:
    """A constraint in the database. It also holds for writes that bypass the model."""
    rule = models.Q(**condition)
    return models.CheckConstraint(condition=rule, name=f"user_{name}")


class User(RecordedModel, PermissionsMixin):
    """An account. Its Django groups are its roles; deleting it keeps the row.

    `session_epoch` is raised whenever all sessions of the user must end. It goes into
    every login; the Auth Service ends sessions of a lower epoch, except `kept_sid` if
    its epoch is at least `kept_from`. `password_epoch` is the session epoch of the last
    change of the password.
    """

    id = models.UUIDField(primary_key=True, default=uuid4, editable=False)
    email = models.EmailField(
        "e-mail address", max_length=254, validators=[validators.validate_email]
    )
    email_canonical = CanonicalField(
        "e-mail address", source="email", max_length=254, unique=True
    )
    username = models.CharField(
        max_length=50,
        validators=[validators.validate_username, validators.validate_not_an_id],
        help_text="3 to 50 letters, digits, dots, hyphens and underscores.",
    )
    username_canonical = CanonicalField(
        "username", source="username", max_length=50, unique=True
    )
    first_name = models.CharField(
        max_length=150, blank=True, validators=[validators.validate_name]
    )
    last_name = models.CharField(
        max_length=150, blank=True, validators=[validators.validate_name]
    )
    display_name = models.CharField(
        max_length=150, blank=True, validators=[validators.validate_name]
    )
    avatar_url = models.CharField(
        "avatar URL",
        max_length=500,
        blank=True,
        validators=[validators.validate_web_address],
    )
    is_active = models.BooleanField(
        "active", default=True, help_text="Inactive users cannot log in."
    )
    is_staff = models.BooleanField(
        "staff", default=False, help_text="May log in to this site."
    )
    groups = models.ManyToManyField(  # type: ignore[assignment]
        Group,
        verbose_name="roles",
        blank=True,
        related_name="user_set",
        related_query_name="user",
        help_text="Named in access tokens. They also carry rights on this site.",
    )
    session_epoch = models.PositiveBigIntegerField(default=0, editable=False)
    kept_sid = models.UUIDField(null=True, editable=False)
    kept_from = models.PositiveBigIntegerField(null=True, editable=False)
    password_epoch = models.PositiveBigIntegerField(
        default=0, db_default=0, editable=False
    )
    created_at = models.DateTimeField(auto_now_add=True)
    updated_at = models.DateTimeField(auto_now=True)
    deleted_at = models.DateTimeField(null=True, blank=True, editable=False)
    delete_after = models.DateTimeField(
        null=True,
        editable=False,
        help_text="When what is personal in a deleted account is erased.",
    )
    erased_at = models.DateTimeField(
        null=True,
        editable=False,
        help_text="What was personal is gone. The id stays as a pseudonym.",
    )
    email_verified_at = models.DateTimeField(
        null=True, editable=False, help_text="When the owner of the mailbox proved it."
    )
    was_verified = models.BooleanField(
        default=False,
        db_default=False,
        editable=False,
        help_text="An address was verified before, or an operator made the account.",
    )
    locale = models.CharField(
        max_length=8, choices=settings.LANGUAGES, default="en", db_default="en"
    )

    roles: list[str]  # annotated by `with_roles`
    pending_email: str | None = None  # annotated by `with_pending_email`
    factor_rows: list[str]  # annotated by `with_factors`, like `has_recovery_code`
    has_recovery_code: bool

    objects = UserManager()

    EMAIL_FIELD = "email"
    USERNAME_FIELD = "email"
    REQUIRED_FIELDS = ["username"]

    class Meta:
        ordering = ("-created_at",)
        # For the admin: its list, newest first or by the last login, and its search by
        # any part of a name.
        indexes = (
            models.Index(fields=["-created_at"], name="user_created_at"),
            models.Index(LAST_LOGIN.desc(nulls_last=True), name="user_last_login"),
            GinIndex(*map(trigrams, SEARCHED), name="user_search"),
            # Users who wait for erasure (`users.accounts.erasure`).
            models.Index(
                fields=["delete_after"],
                name="user_delete_after",
                condition=models.Q(delete_after__isnull=False),
            ),
        )
        constraints = (
            check("username_pattern", username__regex=r"^[A-Za-z0-9._-]{3,50}$"),
            # ASCII, no space, one @.
            check("email_pattern", email__regex=r"^[!-?A-~]+@[!-?A-~]+$"),
            # With collation C, `lower` changes ASCII only, like `normalize_identifier`.
            check("email_canonical", email_canonical=Lower(Collate("email", "C"))),
            check(
                "username_canonical",
                username_canonical=Lower(Collate("username", "C")),
            ),
        )

    def __str__(self) -> str:
        return self.email

    def clean(self) -> None:
        """Raise ValidationError for a name that another user has, whatever its case."""
        super().clean()
        taken = {}
        for name in sorted(IDENTIFIERS):
            canonical = normalize_identifier(getattr(self, name))
            setattr(self, f"{name}_canonical", canonical)  # constraints compare it
            same = User.objects.filter(**{f"{name}_canonical": canonical})
            is_taken = same.exclude(pk=self.pk).exists()
            if is_taken or (name == "email" and links.is_held(canonical, self.pk)):
                field: Any = self._meta.get_field(name)
                text = f"This {field.verbose_name} is taken."
                taken[name] = ValidationError(text, "unique")
        if taken:
            raise ValidationError(taken)

    @property
    def email_verified(self) -> bool:
        return self.email_verified_at is not None

    @property
    def is_established(self) -> bool:
        """Whether no stranger can have made the account: an address of it was verified,
        or an operator has made it or given it rights."""
        return self.email_verified or self.was_verified or self.is_staff

    @property
    def second_factor_required(self) -> bool:
        return policy.is_required(self)

    @property
    def last_login_at(self) -> datetime | None:
        """Up to an hour before the last login: it is written at most once an hour."""
        return self.last_login

    @property
    def is_deleted(self) -> bool:
        return self.deleted_at is not None

    @property
    def is_erased(self) -> bool:
        return self.erased_at is not None

    @property
    def is_present(self) -> bool:
        """Whether the user may log in and be seen, by the rule of `present` in rows."""
        return self.is_active and self.deleted_at is None

    def change_password(self, raw_password: str, keep_sid: UUID) -> bool:
        """Set another password, and end all sessions but `keep_sid`. Raises Overloaded.

        False, with nothing done, if the password has changed since it was read: someone
        with the old one must not undo what an operator did meanwhile.
        """
        read = self.password
        self.set_password(raw_password)  # takes long, so before the transaction
        same = User.objects.present().filter(pk=self.pk, password=read)
        with transaction.atomic():
            if not same.select_for_update().exists():
                return False
            self.write({"password"}, keep_sid=keep_sid)
        return True

    def activate(self) -> None:
        self.is_active = True
        self.save(update_fields=["is_active"])

    def deactivate(self) -> None:
        """End all sessions, and refuse logins until `activate`."""
        self.is_active = False
        self.save(update_fields=["is_active"])

    def soft_delete(self) -> None:
        """Keep the row, and with it e-mail and username, until `delete_after`, so that
        `users.accounts.deletion` can restore it."""
        if self.deleted_at is None:
            self.deleted_at = timezone.now()
            self.delete_after = self.deleted_at + LINK_KINDS[Purpose.RESTORE].lifetime
            self.save(update_fields=["deleted_at", "delete_after"])

    def end_sessions(self) -> None:
        """Log the user out everywhere."""
        self.raise_epoch("ended_by_operator")
