"""Send a waiting mail. Retries have the same Message-ID and link, and stop when the
link no longer works."""

from contextlib import suppress
from datetime import datetime, timedelta
from smtplib import SMTP, SMTPDataError, SMTPRecipientsRefused
from typing import Any

from django.conf import settings
from django.core.mail import EmailMessage, get_connection
from django.db import transaction
from django.utils import timezone
from procrastinate import BaseRetryStrategy, RetryDecision
from procrastinate.jobs import Job

from shared.structured_logging import audit
from users.accounts.links import MAX_ATTEMPTS
from users.accounts.models import Link, Purpose
from users.events.log import record
from users.mail.daily_limit import DAY, is_too_many
from users.mail.message import compose
from users.mail.models import Kind, Mail

# Seconds to wait for an answer once the connection is open. A server that checks a mail
# takes longer than EMAIL_TIMEOUT to accept it, and would get it again (RFC 5321 4.5.3.2
# asks for ten minutes, but there are few threads).
ANSWER_TIMEOUT = 120
WAITS = (10, 60, 5 * 60, 15 * 60, 3600)  # seconds between attempts; the last repeats


class NotSent(Exception):
    """A temporary fault. The next attempt is at `until` or before."""

    def __init__(self, until: datetime) -> None:
        super().__init__()
        self.until = until


class Backoff(BaseRetryStrategy):
    """Always retries. The task itself gives up mails that cannot be sent any more."""

    def get_retry_decision(
        self, *, exception: BaseException, job: Job
    ) -> RetryDecision:
        seconds = WAITS[min(job.attempts, len(WAITS) - 1)]
        at = timezone.now() + timedelta(seconds=seconds)
        if isinstance(exception, NotSent):
            at = min(at, exception.until)
        return RetryDecision(retry_at=at)


def deliver(mail_id: int) -> None:
    """Send the mail, unless it was sent, has failed, or was deleted with its user.
    Raises NotSent for a temporary fault."""
    waiting = Mail.objects.filter(pk=mail_id, sent_at=None, failed_at=None)
    mail = waiting.select_related("link__user", "user").first()
    if mail is None:
        return
    if reason := why_never(mail):
        fail(mail, reason)
        return
    if not settings.MAIL_ENABLED:  # since it was queued, and its backend is a folder
        update_mail(mail, last_error="MailDisabled")
        raise NotSent(deadline(mail))
    try:
        send(compose(mail))
    except Exception as exc:
        if is_refusal(exc):
            fail(mail, type(exc).__name__)
            return
        update_mail(mail, last_error=type(exc).__name__)
        raise NotSent(deadline(mail)) from exc
    update_mail(mail, sent_at=timezone.now(), last_error="")


def send(message: EmailMessage) -> None:
    """Return when the server has accepted the message. An error while the connection
    closes is ignored: it must not send the mail again."""
    connection = get_connection()
    try:
        connection.open()
        set_timeout(connection, ANSWER_TIMEOUT)
        connection.send_messages([message])
    finally:
        set_timeout(connection, settings.EMAIL_TIMEOUT)
        with suppress(OSError):
            connection.close()


def set_timeout(connection: Any, seconds: float) -> None:
    """Set how long an open SMTP connection waits for each answer."""
    smtp = getattr(connection, "connection", None)
    if isinstance(smtp, SMTP) and smtp.sock:
        smtp.sock.settimeout(seconds)


def is_refusal(exc: Exception) -> bool:
    """Whether the server will never accept it for this recipient (RFC 5321, 5yz)."""
    if isinstance(exc, SMTPRecipientsRefused):
        return all(code >= 500 for code, _ in exc.recipients.values())
    return isinstance(exc, SMTPDataError) and exc.smtp_code >= 500


def why_never(mail: Mail) -> str:
    """The reason why the mail will never be sent, or an empty string."""
    if deadline(mail) <= timezone.now():
        return "Expired"
    if mail.link and is_dead(mail.link):
        return "LinkInvalid"
    return "TooManyMails" if is_too_many(mail) else ""


def deadline(mail: Mail) -> datetime:
    """When the link expires; for a mail without a link, a day after it was queued."""
    found: datetime = mail.link.expires_at if mail.link else mail.created_at + DAY
    return found


def is_dead(link: Link) -> bool:
    """Whether the link was used or voided, or its user has changed since."""
    if link.used_at or link.attempts >= MAX_ATTEMPTS:
        return True
    user = link.user
    # Nothing that happens to the user voids the link against a reset of the factors, or
    # the one that undoes a change of address. A thief may change the password next, or
    # delete the account; an operator may deactivate it only for a while.
    if user is None or link.purpose in (Purpose.KEEP_FACTORS, Purpose.UNDO_EMAIL):
        return False
    is_same = link.session_epoch == user.session_epoch
    is_deletion = link.purpose == Purpose.RESTORE
    return not (is_same and user.is_active and user.is_deleted == is_deletion)


@transaction.atomic
def fail(mail: Mail, error: str) -> None:
    """Give the mail up. Without a user no event is stored: strangers could add many.
    Nor is one for CHANGE_EMAIL: the user reads it, and there is no such mail if another
    user has the address."""
    update_mail(mail, failed_at=timezone.now(), last_error=error)
    if mail.user_id and mail.kind != Kind.CHANGE_EMAIL:
        record("mail_failed", mail.user_id, kind=mail.kind, error=error)
    else:
        who = str(mail.user_id) if mail.user_id else None
        audit("mail_failed", user_id=who, kind=mail.kind, error=error)


def update_mail(mail: Mail, **columns: object) -> None:
    Mail.objects.filter(pk=mail.pk).update(**columns)
