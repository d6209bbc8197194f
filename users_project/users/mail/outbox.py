"""Mails are queued in the transaction of what they report; the worker sends them."""

import json
from collections.abc import Iterable
from datetime import timedelta
from typing import Any
from uuid import UUID

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from procrastinate.types import JSONDict

from users.accounts import links
from users.mail.models import Kind, Mail

DAY = timedelta(days=1)
INSERT_NOTICES = """
WITH mails AS (
    INSERT INTO users_mail (
        kind, user_id, address, address_canonical, locale,
        context, message_id, created_at, last_error
    )
    SELECT %(kind)s, id, email, email_canonical, locale,
        %(context)s::jsonb, gen_random_uuid(), clock_timestamp(), ''
    FROM users_user WHERE id = ANY(%(ids)s)
    RETURNING id
)
SELECT min(id), max(id) FROM mails
"""


def queue(kind: Kind, address: str, *, locale: str, **fields: Any) -> Mail | None:
    """Have this mail sent to this address once the transaction commits; None where
    there is no mail at all.

    `fields` are columns of `Mail`: user or registration, link, context.
    """
    if not settings.MAIL_ENABLED:
        return None
    mail = Mail.objects.create(kind=kind, address=address, locale=locale, **fields)
    app.configure_task("send_mail").defer(mail_id=mail.pk)
    return mail


def notify(kind: Kind, user: Any, *, daily: int = 0, **context: str) -> None:
    """Queue a notice to a user; no more than `daily` of its kind in a day. `context` is
    what the mail says of a device."""
    context = {"time": timezone.now().isoformat(), **context}
    with transaction.atomic(savepoint=False):
        if not daily or not has_had(kind, user, daily):
            queue(kind, user.email, locale=user.locale, user=user, context=context)


def has_had(kind: Kind, user: Any, count: int) -> bool:
    """Whether so many were queued today. The row of the user is locked, so of several
    at once each sees those before it."""
    links.lock(user.pk)
    begin = timezone.now() - DAY
    mails = Mail.objects.filter(kind=kind, user=user, created_at__gt=begin)
    return mails.count() >= count


def notify_all(kind: Kind, user_ids: Iterable[UUID]) -> None:
    """Queue the same notice to each of these users: for 5,000 in one statement, and
    with one job, which queues the others."""
    if not settings.MAIL_ENABLED:
        return
    context = json.dumps({"time": timezone.now().isoformat()})
    parameters: dict[str, Any] = {"kind": kind, "context": context}
    parameters["ids"] = list(user_ids)
    with connection.cursor() as cursor:
        cursor.execute(INSERT_NOTICES, parameters)
        first, last = cursor.fetchone()
    if last:
        app.configure_task("queue_mails").defer(first=first, last=last)


def queue_waiting(first: int, last: int) -> None:
    """Queue a job for each mail of these numbers that waits."""
    waiting = Mail.objects.filter(sent_at=None, failed_at=None, pk__range=(first, last))
    jobs: list[JSONDict] = [
        {"mail_id": pk} for pk in waiting.values_list("pk", flat=True)
    ]
    if jobs:
        app.configure_task("send_mail").batch_defer(*jobs)
