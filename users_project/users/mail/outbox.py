"""Mails are queued in the transaction of what they report; the worker sends them."""

from collections.abc import Iterable
from typing import Any
from uuid import UUID

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.types import JSONDict

from users.accounts import links
from users.mail.daily_limit import DAY
from users.mail.models import Kind, Mail

MASS = -2  # the priority of notices to many users, below that of other mails


def queue(kind: Kind, address: str, *, locale: str, **fields: Any) -> Mail | None:
    """Have this mail sent to this address once the transaction commits. None if mail is
    disabled (MAIL_ENABLED).

    `fields` are columns of `Mail`: user or registration, link, context.
    """
    if not settings.MAIL_ENABLED:
        return None
    mail = Mail.objects.create(kind=kind, address=address, locale=locale, **fields)
    app.configure_task("send_mail").defer(mail_id=mail.pk)
    return mail


def notify(kind: Kind, user: Any, *, daily: int = 0, **context: str) -> None:
    """Queue a notice to a user; no more than `daily` of its kind in a day. `context` is
    the device and network in the mail."""
    if not settings.MAIL_ENABLED:
        return
    context = {"time": timezone.now().isoformat(), **context}
    with transaction.atomic(savepoint=False):
        if not daily or not has_had(kind, user, daily):
            queue(kind, user.email, locale=user.locale, user=user, context=context)


def has_had(kind: Kind, user: Any, count: int) -> bool:
    """Whether so many were queued in the last day. If not, lock the row of the user and
    count again: of several calls at once, each sees the mails of earlier ones."""
    begin = timezone.now() - DAY
    mails = Mail.objects.filter(kind=kind, user=user, created_at__gt=begin)
    if mails.count() >= count:
        return True
    links.lock(user.pk)
    return mails.count() >= count


def notify_all(kind: Kind, user_ids: Iterable[UUID]) -> None:
    """Queue the same notice to each of these users: any number by three statements."""
    if not settings.MAIL_ENABLED:
        return
    context = {"time": timezone.now().isoformat()}
    users = get_user_model()._default_manager.filter(pk__in=user_ids)
    if kind == Kind.RESTORED:  # which invites to log in
        users = users.filter(is_active=True)
    elif kind == Kind.DEACTIVATED:  # which says that the data is kept
        users = users.filter(deleted_at=None)
    mails = Mail.objects.bulk_create(
        Mail(kind=kind, user_id=pk, address=email, locale=locale, context=context)
        for pk, email, locale in users.values_list("pk", "email", "locale")
    )
    jobs: list[JSONDict] = [{"mail_id": mail.pk} for mail in mails]
    if jobs:
        app.configure_task("send_mail", priority=MASS).batch_defer(*jobs)
