"""How users are found and made."""

from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.contrib.auth.models import BaseUserManager, Group
from django.contrib.auth.password_validation import validate_password
from django.contrib.postgres.expressions import ArraySubquery
from django.db import connections, models, transaction

from shared.names import canonical
from shared.structured_logging import audit

if TYPE_CHECKING:
    from users.models import User

# One statement: however many call it at once, each raises the epoch and gets its own.
RAISE_EPOCH = """
UPDATE users_user
SET session_epoch = session_epoch + 1, updated_at = clock_timestamp()
WHERE id = %s AND is_active AND deleted_at IS NULL
RETURNING id, session_epoch
"""


class UserQuerySet(models.QuerySet["User"]):
    def present(self) -> Self:
        """Users who are active and not deleted: all others look unknown."""
        return self.filter(is_active=True, deleted_at=None)

    def with_roles(self) -> Self:
        """Each user with `roles`, the sorted names of the groups, in the same query."""
        groups = Group.objects.filter(user=models.OuterRef("pk")).order_by("name")
        return self.annotate(roles=ArraySubquery(groups.values("name")))


class UserManager(BaseUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    written: dict[tuple[str, bool], str] = {}  # the statements of `find`

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
        if password is not None:
            # Django's command offers to go past the rules. Not for the mightiest.
            validate_password(password, user)
        user.set_password(password)
        user.full_clean()
        user.save(using=self._db)
        audit("user_created", user_id=str(user.pk), by="operator")
        return user

    def get_by_natural_key(self, email: str | None) -> "User":
        user: User = self.get(email_canonical=canonical(email or ""))
        return user

    def raise_epoch(self, user_id: UUID) -> int | None:
        """The new epoch of this user, or None where there is nobody present.

        Ends all sessions, as `User.end_sessions` does, but tells nobody: for a caller
        who ends them by the answer.
        """
        user = next(iter(self.raw(RAISE_EPOCH, [user_id])), None)
        return user.session_epoch if user else None

    def find(self, *, present: bool = True, **column: Any) -> "User | None":
        """The user of this value of a unique column, with roles, or None.

        One query, which the ORM takes three times as long to write as PostgreSQL to
        answer. So each is written once, and its row becomes a user without `raw`, which
        finds out anew every time what the columns are.
        """
        [(name, value)] = column.items()
        if (name, present) not in self.written:
            users = self.present() if present else self.get_queryset()
            query = users.with_roles().order_by().filter(**column).query
            self.written[name, present] = query.sql_with_params()[0]
        with connections[self.db].cursor() as cursor:
            cursor.execute(self.written[name, present], [value])
            row = cursor.fetchone()
        return None if row is None else self.with_roles_from(row)

    def with_roles_from(self, row: tuple[Any, ...]) -> "User":
        """The user of a row of `with_roles`: all columns in their order, then roles."""
        names = [field.attname for field in self.model._meta.concrete_fields]
        user: User = self.model.from_db(self.db, names, row[:-1])
        user.roles = row[-1]
        return user

    def find_called(
        self, *, email: str | None = None, username: str | None = None
    ) -> "User | None":
        """The user of this e-mail address, or else of this username; present or not."""
        if email is not None:
            return self.find(present=False, email_canonical=canonical(email))
        name = canonical(username or "")
        return self.find(present=False, username_canonical=name)
