"""A link, and the mail that brings it: to be called in a transaction."""

from typing import Any

from users.accounts import links
from users.accounts.models import Purpose, Registration
from users.mail.models import Kind
from users.mail.outbox import queue
from users.models import User
from users.validators import normalize_identifier

KINDS = {
    Purpose.VERIFY: Kind.VERIFY,
    Purpose.RESET: Kind.RESET,
    Purpose.CHANGE_EMAIL: Kind.CHANGE_EMAIL,
    Purpose.UNDO_EMAIL: Kind.EMAIL_CHANGED,
    Purpose.RESTORE: Kind.DELETION,
    Purpose.ENROL: Kind.ENROL,
    Purpose.KEEP_FACTORS: Kind.FACTORS_RESET_REQUESTED,
}


def send(purpose: Purpose, user: User, *, to: str = "", **columns: Any) -> None:
    """Mail a link of this purpose to the address of its user, or to another one.
    `columns` are others of the link."""
    email = to or user.email
    address = normalize_identifier(email)
    link = links.issue(purpose, address=address, user=user, **columns)
    queue(KINDS[purpose], email, locale=user.locale, user=user, link=link)


def send_registration(registration: Registration) -> None:
    """Mail the link that makes the account."""
    address, owner = registration.email_canonical, {"registration": registration}
    link = links.issue(Purpose.REGISTER, address=address, **owner)
    email, locale = registration.email, registration.locale
    queue(Kind.REGISTER, email, locale=locale, link=link, **owner)
