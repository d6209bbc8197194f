"""Queries that find users, and methods that create them."""

from typing import TYPE_CHECKING, Any, Self
from uuid import UUID

from django.contrib.auth.models import BaseUserManager, Group, Permission
from django.contrib.auth.password_validation import validate_password
from django.contrib.postgres.expressions import ArraySubquery
from django.db import IntegrityError, connections, models, transaction
from django.db.models import Exists, Max, Q, Sum
from django.db.models.functions import Now

from shared.auth.access_tokens import MAX_LENGTH
from shared.db.functions import ClockTimestamp
from shared.events.models import origin
from users.accounts.models import EmailChange
from users.db.recorded_model import CANONICAL
from users.db.statements import RAISE_EPOCH, RAISE_EPOCHS
from users.events.log import record, source
from users.factors.models import Factor, RecoveryCode
from users.validators import normalize_identifier

if TYPE_CHECKING:
    from users.models import User

# Bytes of JSON that fit into a token. All else in it takes 1,500 characters, and base64
# writes three bytes as four characters. Reported from 80 percent of it.
ROOM_FOR_ROLES = (MAX_LENGTH - 1500) * 3 // 4
NOTED_FROM = 0.8
JSON_BYTES = models.Func(
    "group__name",
    template="octet_length(to_json(%(expressions)s)::text)",
    output_field=models.IntegerField(),
)
# The columns that `find` adds, the last two only with `factors`.
ANNOTATED = ("roles", "pending_email", "factor_rows", "has_recovery_code")


class JSONArray(models.Func):
    """The text of a JSON array."""

    template = "json_build_array(%(expressions)s)::text"
    output_field = models.TextField()


class UserQuerySet(models.QuerySet["User"]):
    def present(self) -> Self:
        """Users who are active and not deleted: all others look unknown."""
        return self.filter(is_active=True, deleted_at=None)

    def restorable(self) -> Self:
        """Deleted users whose time of erasure has not come."""
        return self.filter(delete_after__gt=ClockTimestamp())

    def with_roles(self) -> Self:
        """Each user with `roles`, the sorted names of the groups, in the same query."""
        groups = Group.objects.filter(user=models.OuterRef("pk")).order_by("name")
        return self.annotate(roles=ArraySubquery(groups.values("name")))

    def with_pending_email(self) -> Self:
        """Each user with `pending_email`, the new address until its link is used."""
        changes = EmailChange.objects.filter(user=models.OuterRef("pk"))
        waiting = changes.filter(expires_at__gt=Now()).values("email")
        return self.annotate(pending_email=models.Subquery(waiting))

    def with_factors(self) -> Self:
        """Each user with the columns that `users.factors.policy` reads."""
        of_user = {"user": models.OuterRef("pk")}
        confirmed = Factor.objects.filter(**of_user, confirmed_at__isnull=False)
        row = JSONArray("type", "credential_id", "transports", "suspect_at")
        rows = confirmed.order_by("created_at").values_list(row)
        unused = RecoveryCode.objects.filter(**of_user, used_at=None)
        return self.annotate(
            factor_rows=ArraySubquery(rows), has_recovery_code=Exists(unused)
        )

    def modifiable_by(self, editor: "User") -> Self:
        """Users who have no right, role or permission that the editor lacks: an editor
        who sets their password or e-mail address can use all their rights. Erased users
        are left out, since nothing is left to change."""
        if editor.is_superuser:
            return self.filter(erased_at=None)
        user = {"user": models.OuterRef("pk")}
        roles = Group.objects.filter(user=editor)
        rights = Permission.objects.filter(Q(user=editor) | Q(group__in=roles))
        of_groups: Any = self.model.groups.through
        of_rights: Any = self.model.user_permissions.through
        roles_of = of_groups.objects.filter(**user)
        rights_of = of_rights.objects.filter(**user)
        return self.filter(
            ~Exists(roles_of.exclude(group__in=roles)),
            ~Exists(rights_of.exclude(permission__in=rights)),
            is_staff=False,
            is_superuser=False,
            erased_at=None,
        )

    def lock_superusers(self) -> set[UUID]:
        """The ids of the present superusers. Their rows are locked in one order, so of
        two who remove each other or themselves at once, one stays."""
        superusers = self.present().filter(is_superuser=True).order_by("pk")
        locked = superusers.select_for_update(no_key=True)
        return set(locked.values_list("pk", flat=True))

    def longest_roles(self) -> int:
        """The bytes that the longest list of roles of one of these users takes as JSON.
        For all users this reads the whole table of memberships."""
        through = self.model.groups.through.objects
        mine = through.filter(user__in=self.order_by().values("pk")).values("user_id")
        sizes = mine.annotate(size=Sum(JSON_BYTES + len(",")))
        longest: int | None = sizes.aggregate(longest=Max("size"))["longest"]
        return longest or 0

    def near_limit(self) -> str:
        """A text with the size of the longest roles of these users, if they take 80
        percent or more of the room in an access token; else an empty string."""
        longest = self.longest_roles()
        near = longest >= NOTED_FROM * ROOM_FOR_ROLES
        return f"the longest take {longest} of {ROOM_FOR_ROLES} bytes" if near else ""

    def raise_epoch(
        self,
        user_id: UUID,
        keep_sid: UUID | None = None,
        *,
        reason: str = "",
        password_changed: bool = False,
        absent: bool = False,
    ) -> dict[str, Any] | None:
        """End all sessions of this user but `keep_sid`. Return the changed columns.

        None if there is no such user. Inactive and deleted users count with `absent`
        only. Pushes nothing: the caller ends the sessions by the returned epoch.
        """
        parameters = {"id": user_id, "keep": keep_sid, "absent": absent, **origin()}
        parameters |= {"password_changed": password_changed, "reason": reason}
        parameters["site"] = source().get("site")
        with connections[self.db].cursor() as cursor:
            cursor.execute(RAISE_EPOCH, parameters)
            row = cursor.fetchone()
            names = [column.name for column in cursor.description]
        return None if row is None else dict(zip(names, row, strict=True))

    def raise_epochs(self, above: int, limit: int, after: UUID) -> list[UUID]:
        """End all sessions of at most `limit` users whose ids follow `after`, with new
        epochs that are also higher than `above`. Return their ids. Pushes nothing, like
        `raise_epoch`."""
        parameters: Any = {"above": above, "limit": limit, "after": after}
        with connections[self.db].cursor() as cursor:
            cursor.execute(RAISE_EPOCHS, parameters)
            return [user_id for (user_id,) in cursor.fetchall()]


class UserManager(BaseUserManager.from_queryset(UserQuerySet)):  # type: ignore[misc]
    # SQL and parameters that `find` has compiled.
    written: dict[tuple[str, bool, bool], tuple[str, list[Any]]] = {}

    def create_superuser(
        self, email: str, username: str, password: str | None = None, **fields: Any
    ) -> "User":
        """A new superuser. Raises ValidationError, for `createsuperuser`."""
        rights = {"is_staff": True, "is_superuser": True}
        made: dict[str, Any] = {**rights, "was_verified": True, **fields}
        user: User = self.model(email=email, username=username, **made)
        if password is not None:
            # Django's command offers to bypass the rules: not for a superuser.
            validate_password(password, user)
        user.set_password(password)
        user.full_clean(exclude=CANONICAL)  # `clean` compares these
        try:
            with transaction.atomic(self._db):
                user.save(using=self._db)
                record("user_created", user.pk, by="operator")
                given = {"fields": sorted(rights), "added": sorted(rights)}
                event = "privilege_permissions_changed"
                record(event, user.pk, by="operator", **given, removed=[])
        except IntegrityError:
            # Raises for a name that was taken meanwhile.
            user.full_clean(exclude=CANONICAL)
            raise
        return user

    def operator(self, user_id: UUID | str, permission: str) -> "User | None":
        """The operator of this id, or None without this permission. Jobs ask, since an
        operator may have lost it meanwhile."""
        user = self.present().filter(pk=user_id, is_staff=True).first()
        return user if user is not None and user.has_perm(permission) else None

    def find(
        self, *, present: bool = True, factors: bool = False, **column: Any
    ) -> "User | None":
        """The user with this value of a unique column, or None. With roles and the
        pending e-mail address, and with `factors` also with what `policy` reads.

        One query. The ORM takes three times as long to write it as PostgreSQL to answer
        it, so each variant is written once. `raw` would look up the columns every time.
        """
        [(name, value)] = column.items()
        key = name, present, factors
        if key not in self.written:
            users = self.present() if present else self.get_queryset()
            users = users.with_roles().with_pending_email()
            users = users.with_factors() if factors else users
            query = users.order_by().filter(**column).query
            sql, (*constants, _) = query.sql_with_params()
            self.written[key] = sql, constants
        sql, constants = self.written[key]
        with connections[self.db].cursor() as cursor:
            cursor.execute(sql, [*constants, value])
            row = cursor.fetchone()
        if row is None:
            return None
        columns = [field.attname for field in self.model._meta.concrete_fields]
        user: User = self.model.from_db(self.db, columns, row[: len(columns)])
        annotated = zip(ANNOTATED, row[len(columns) :], strict=False)
        vars(user).update(annotated)
        return user

    def get_by_identifier(
        self, *, email: str | None = None, username: str | None = None
    ) -> "User | None":
        """The user of this e-mail address, or else of this username; present or not."""
        name = normalize_identifier(username or "" if email is None else email)
        column = "username_canonical" if email is None else "email_canonical"
        return self.find(present=False, factors=True, **{column: name})
