"""A mail from its row: subject, text and HTML of one template, in its language."""

import re
from datetime import datetime
from email.utils import format_datetime, parseaddr
from typing import Any

from django.conf import settings
from django.core.mail import EmailMultiAlternatives
from django.template.loader import render_to_string
from django.utils import translation

from users.accounts.links import token_of
from users.accounts.models import LINK_KINDS, Link, Purpose
from users.mail.models import LINKED, Kind, Mail

# Notices that advise a new password, and lead to the page that mails a link for it.
HELPED = set(Kind) - LINKED - {Kind.DEACTIVATED}
HELPED -= {Kind.EMAIL_CHANGED, Kind.DELETION, Kind.FACTORS_RESET_REQUESTED}  # own link
BLANK_LINES = re.compile(r"\n\s*\n")


def compose(mail: Mail) -> EmailMultiAlternatives:
    """The message, with the same bytes in each attempt to send it. Raises ValueError
    for a mail that has lost its link."""
    if mail.kind in LINKED and mail.link is None:
        raise ValueError(f"a mail {mail.kind} without a link")
    with translation.override(mail.locale):
        subject, text, html = render(mail.kind, context_of(mail))
    domain = parseaddr(settings.DEFAULT_FROM_EMAIL)[1].rpartition("@")[2]
    message = EmailMultiAlternatives(
        subject,
        text,
        to=[mail.address],
        reply_to=[settings.MAIL_REPLY_TO] if settings.MAIL_REPLY_TO else None,
        headers={
            "Date": format_datetime(mail.created_at),
            "Message-ID": f"<{mail.message_id}@{domain}>",
            "Auto-Submitted": "auto-generated",  # RFC 3834: no answer by a machine
        },
    )
    message.attach_alternative(html, "text/html")
    return message


def render(kind: str, context: dict[str, Any]) -> tuple[str, str, str]:
    """Subject, text and HTML, in the language that is active."""
    template = f"mail/{kind}.html"
    values = {**context, "layout": "mail/layout.txt"}
    subject, text = render_to_string(template, values).strip().split("\n", 1)
    text = BLANK_LINES.sub("\n\n", text.strip()) + "\n"
    values = {**context, "layout": "mail/layout.html", "subject": subject}
    return subject, text, render_to_string(template, values)


def context_of(mail: Mail) -> dict[str, Any]:
    """The context of the templates. They leave out what is missing."""
    context = {name: mail.context.get(name) for name in ("device", "network")}
    if time := mail.context.get("time"):
        context["time"] = datetime.fromisoformat(time)
    context |= {"locale": mail.locale, "site": settings.PUBLIC_URL}
    # Removed, or made unusable when a change of the address was undone.
    context["lacks_password"] = bool(mail.user and not mail.user.has_usable_password())
    if mail.link:
        return {**context, "url": url_of(mail.link), "expires": mail.link.expires_at}
    if mail.kind in HELPED and settings.ACCOUNT_PAGES:
        context["url"] = f"{settings.PUBLIC_URL}/account/reset/request"
    return context


def url_of(link: Link) -> str:
    page: str = settings.ACCOUNT_URLS[LINK_KINDS[Purpose(link.purpose)].page]
    return page.replace("{token}", token_of(link))
