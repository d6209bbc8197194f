"""Users with something in every table that knows users."""

from datetime import timedelta

from django.contrib.admin.models import CHANGE, LogEntry
from django.contrib.auth.models import Permission
from django.contrib.contenttypes.models import ContentType
from django.db import connection
from django.utils import timezone

from tests.factories import UserFactory
from tests.factors.rows import with_factors
from users.accounts import links
from users.accounts.models import AddressRequest, EmailChange, Purpose, Registration
from users.mail.models import Mail
from users.models import User

DAY = timedelta(days=1)
MARKS = {
    "email": "Mark-1@mark-2.example",
    "username": "mark-3",
    "first_name": "mark-4",
    "last_name": "mark-5",
    "display_name": "mark-6",
    "avatar_url": "https://mark-7.example/",
}


def due_user(**fields):
    """A deleted user whose time has come."""
    now = timezone.now()
    times = {"deleted_at": now - 14 * DAY, "delete_after": now - timedelta(seconds=1)}
    return UserFactory(**{**times, **fields})


def marked_user():
    """Due, with a mark in every table."""
    user = due_user(
        **MARKS,
        locale="de",
        is_staff=True,
        is_superuser=True,
        roles=["editor"],
        email_verified_at=timezone.now(),
        last_login=timezone.now(),
        kept_sid="2f1c3b0e-6d52-4b5e-9d7a-0a4d3a1b2c3d",
        kept_from=1,
    )
    user.user_permissions.add(Permission.objects.first())
    fill(user, "mark-8")
    return user


def fill(user, mark):
    """Rows about a user in all other tables."""
    address, now = user.email_canonical, timezone.now()
    link = links.issue(Purpose.RESTORE, address=address, user=user)
    Mail.objects.create(kind="deletion", address=address, user=user, link=link)
    old = f"{mark}@old.example"  # an address that the user had
    Mail.objects.create(kind="email_changed", address=old, user=user)
    EmailChange.objects.create(user=user, email=old, created_at=now, expires_at=now)
    attempt = Registration.objects.create(email=user.email, username=mark)
    links.issue(Purpose.REGISTER, address=address, registration=attempt)
    Mail.objects.create(kind="register", address=user.email, registration=attempt)
    Mail.objects.create(kind="already_registered", address=user.email)
    AddressRequest.objects.create(kind="reset", address=user.email)
    with_factors(user, mark, waits=True)
    users = ContentType.objects.get_for_model(User)
    LogEntry.objects.create(
        user=user, content_type=users, object_id=str(user.pk),
        object_repr=str(user), action_flag=CHANGE,
    )  # fmt: skip


def everything():
    """The text of every row of every table but the queue's, which has ids."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT tablename FROM pg_tables WHERE schemaname = 'public'")
        rows = []
        for (table,) in cursor.fetchall():
            cursor.execute(f'SELECT t::text FROM "{table}" t')  # noqa: S608
            rows += [row for (row,) in cursor.fetchall()]
    return "\n".join(rows)
