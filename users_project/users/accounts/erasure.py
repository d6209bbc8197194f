"""Erasing accounts whose time has come. The id stays, as a pseudonym.

Each erasure is written to a file outside the database before it is committed: a
restored database has to forget the same users (`eraseusers`). An erasure that was
written and then rolled back does no harm: once its time has come, an account cannot be
restored.
"""

from collections.abc import Sequence
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.admin.models import LogEntry
from django.contrib.auth import SESSION_KEY
from django.contrib.auth.hashers import make_password
from django.contrib.contenttypes.models import ContentType
from django.contrib.sessions.models import Session
from django.db import transaction
from django.db.models import F, Q, QuerySet
from django.db.models.functions import Coalesce, Lower
from procrastinate.contrib.django import app

from shared.db import rights
from shared.db.functions import ClockTimestamp
from shared.erasures import append
from users.accounts.models import (
    LINK_KINDS,
    AddressRequest,
    EmailChange,
    Link,
    Purpose,
    Registration,
)
from users.events import log
from users.factors import resets
from users.factors.models import OF_USER
from users.mail.models import Mail
from users.models import User

BATCH = 100  # users of one transaction


def erase_due() -> int:
    """Erase the accounts whose time has come, in batches. Return their number."""
    due, total = Q(delete_after__lte=ClockTimestamp()), 0
    for user_id in User.objects.filter(due).values_list("pk", flat=True):
        # There may be many, so outside the transaction. The user cannot be restored.
        rights.erase_events(user_id)
    while erased := erase_batch(due):
        total += erased
    return total


def erase_again(user_ids: Sequence[UUID]) -> int:
    """In a restored database, erase users again, and return their number."""
    total = 0
    for start in range(0, len(user_ids), BATCH):
        again = Q(pk__in=user_ids[start : start + BATCH], erased_at=None)
        total += erase_batch(again, is_new=False)
    return total


def wait_again() -> int:
    """In a restored database, start the time until erasure again for deleted users:
    some may have been restored after the dump. Return their number."""
    until = ClockTimestamp() + LINK_KINDS[Purpose.RESTORE].lifetime
    waiting = User.objects.filter(delete_after__isnull=False)
    user_ids = list(waiting.values_list("pk", flat=True))
    for start in range(0, len(user_ids), BATCH):
        batch = waiting.filter(pk__in=user_ids[start : start + BATCH])
        batch.update(delete_after=until)
    return len(user_ids)


@transaction.atomic
def erase_batch(which: Q, *, is_new: bool = True) -> int:
    """Erase up to a hundred of these users, and return their number. Skips rows that
    others have locked. Raises OSError if a new erasure cannot be written."""
    due = User.objects.filter(which).order_by("pk")
    users = list(due.select_for_update(skip_locked=True)[:BATCH])
    if not users:
        return 0
    # Before the addresses become free: a transaction that finishes a registration has
    # locked its link, and must not wait for one of our rows.
    forget(users)
    for user in users:
        anonymise(user.pk)
        rights.erase_events(user.pk)
        app.configure_task("erase_in_auth").defer(user_id=str(user.pk))
        log.record("user_erased", user.pk)
    if is_new:
        append(settings.ERASURES_FILE, [user.pk for user in users])
    return len(users)


def anonymise(user_id: UUID) -> None:
    """Set values that the constraints allow and no user can know, type or register:
    validators refuse a username like an id, and an address without a dot."""
    text = str(uuid4())
    names = dict.fromkeys(("first_name", "last_name", "display_name", "avatar_url"), "")
    flags = dict.fromkeys(("is_active", "is_staff", "is_superuser"), False)
    times = dict.fromkeys(("email_verified_at", "last_login", "delete_after"))
    User.objects.filter(pk=user_id).update(
        email=f"{text}@erased",
        email_canonical=f"{text}@erased",
        username=text,
        username_canonical=text,
        password=make_password(None),
        locale="en",
        kept_sid=None,
        kept_from=None,
        deleted_at=Coalesce("deleted_at", ClockTimestamp()),
        erased_at=ClockTimestamp(),
        updated_at=ClockTimestamp(),
        **names,
        **flags,
        **times,
    )


def forget(users: Sequence[User]) -> None:
    """Delete the data about these users in other tables."""
    ids = [user.pk for user in users]
    addresses = [user.email_canonical for user in users]
    User.groups.through.objects.filter(user__in=ids).delete()
    User.user_permissions.through.objects.filter(user__in=ids).delete()
    Registration.objects.filter(email_canonical__in=addresses).delete()
    typed = AddressRequest.objects.annotate(canonical=Lower("address"))
    typed.filter(canonical__in=addresses).delete()
    Mail.objects.filter(address_canonical__in=addresses).delete()
    for owned in (Mail, Link, EmailChange, *OF_USER):
        owned._default_manager.filter(user__in=ids).delete()
    entries = history_of(ids)
    entries.update(object_repr=F("object_id"))
    reasons = entries.filter(change_message__startswith=resets.ASKED)
    reasons.update(change_message=f"{resets.ASKED}.")
    end_admin_sessions({str(user_id) for user_id in ids})


def history_of(user_ids: Sequence[UUID]) -> QuerySet[LogEntry]:
    """What the admin has kept of changes to these users."""
    content_type = ContentType.objects.get_for_model(User)
    ids = map(str, user_ids)
    return LogEntry.objects.filter(content_type=content_type, object_id__in=ids)


def end_admin_sessions(user_ids: set[str]) -> None:
    """Delete the users' sessions. Reads all: only staff have any, for eight hours."""
    for session in Session.objects.iterator():
        if session.get_decoded().get(SESSION_KEY) in user_ids:
            session.delete()
