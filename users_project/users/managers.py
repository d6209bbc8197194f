"""How users are found and made."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Self

from django.contrib.auth.models import BaseUserManager, Group
from django.contrib.postgres.expressions import ArraySubquery
from django.db import models, transaction

from users.fields import canonical

if TYPE_CHECKING:
    from users.models import User


@lru_cache
def role_names() -> ArraySubquery:
    """The sorted names of a user's groups, as one column."""
    groups = Group.objects.filter(user=models.OuterRef("pk")).order_by("name")
    return ArraySubquery(groups.values("name"))


class UserQuerySet(models.QuerySet["User"]):
    def present(self) -> Self:
        """Users who are active and not deleted: all others look unknown."""
        return self.filter(is_active=True, deleted_at=None)

    def with_roles(self) -> Self:
        """Each user with `roles`, in the same query."""
        return self.annotate(roles=role_names())

    def find(self, **lookup: Any) -> "User | None":
        """The user of this unique lookup, or None."""
        return next(iter(self.filter(**lookup)), None)

    def called(self, *, email: str | None = None, username: str | None = None) -> Self:
        """The user of this e-mail address or else of this username, or nobody."""
        if email is not None:
            return self.filter(email_canonical=canonical(email))
        return self.filter(username_canonical=canonical(username or ""))


class UserManager(BaseUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    def create_user(
        self, email: str, username: str, password: str | None = None, **fields: Any
    ) -> "User":
        """A new user. Raises IntegrityError where e-mail or username is taken."""
        user: User = self.model(email=email, username=username, **fields)
        user.set_password(password)  # takes long, so before the transaction
        # A savepoint: a caller in a transaction may go on after a refusal.
        with transaction.atomic(using=self._db):
            user.save(using=self._db)
        return user

    def create_superuser(
        self, email: str, username: str, password: str | None = None, **fields: Any
    ) -> "User":
        """A new user who may do all. Raises ValidationError, for `createsuperuser`."""
        rights = {"is_staff": True, "is_superuser": True}
        user: User = self.model(email=email, username=username, **rights, **fields)
        user.set_password(password)
        user.full_clean()
        user.save(using=self._db)
        return user

    def get_by_natural_key(self, email: str | None) -> "User":
        user: User = self.called(email=email or "").get()
        return user
