"""Mails are queued in the transaction of what they report; the worker sends them."""

from typing import Any

from procrastinate.contrib.django import app

from users.mail.models import Kind, Mail


def queue(kind: Kind, address: str, *, locale: str, **fields: Any) -> Mail:
    """Have this mail sent to this address once the transaction commits.

    `fields` are columns of `Mail`: user or registration, link, context.
    """
    mail = Mail.objects.create(kind=kind, address=address, locale=locale, **fields)
    app.configure_task("send_mail").defer(mail_id=mail.pk)
    return mail
