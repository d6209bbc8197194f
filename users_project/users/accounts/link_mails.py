"""A link, and the mail that brings it: to be called in a transaction."""

from users.accounts import links
from users.accounts.models import EmailChange, Purpose, Registration
from users.factors.models import FactorReset
from users.mail.models import Kind
from users.mail.outbox import queue
from users.models import User
from users.validators import normalize_identifier


def register(registration: Registration) -> None:
    """It makes the account."""
    address, owner = registration.email_canonical, {"registration": registration}
    link = links.issue(Purpose.REGISTER, address=address, **owner)
    email, locale = registration.email, registration.locale
    queue(Kind.REGISTER, email, locale=locale, link=link, **owner)


def verify(user: User) -> None:
    """It verifies the user's address."""
    link = links.issue(Purpose.VERIFY, address=user.email_canonical, user=user)
    queue(Kind.VERIFY, user.email, locale=user.locale, user=user, link=link)


def reset(user: User) -> None:
    """It sets another password."""
    link = links.issue(Purpose.RESET, address=user.email_canonical, user=user)
    queue(Kind.RESET, user.email, locale=user.locale, user=user, link=link)


def change_email(change: EmailChange) -> None:
    """It makes the address that the user has asked for theirs."""
    user, address = change.user, normalize_identifier(change.email)
    link = links.issue(Purpose.CHANGE_EMAIL, address=address, user=user)
    queue(Kind.CHANGE_EMAIL, change.email, locale=user.locale, user=user, link=link)


def undo_email(user: User, old: str) -> None:
    """It goes to the address that was the user's, and gives it back."""
    address = normalize_identifier(old)
    link = links.issue(Purpose.UNDO_EMAIL, address=address, user=user)
    queue(Kind.EMAIL_CHANGED, old, locale=user.locale, user=user, link=link)


def enrol(user: User) -> None:
    """It lets somebody who has the password set up the first second factor."""
    link = links.issue(Purpose.ENROL, address=user.email_canonical, user=user)
    queue(Kind.ENROL, user.email, locale=user.locale, user=user, link=link)


def keep_factors(reset: FactorReset) -> None:
    """It cancels the reset of the second factors, as long as it waits."""
    user, due = reset.user, {"expires_at": reset.due_at}
    address, purpose = user.email_canonical, Purpose.KEEP_FACTORS
    link = links.issue(purpose, address=address, user=user, **due)
    kind = Kind.FACTORS_RESET_REQUESTED
    queue(kind, user.email, locale=user.locale, user=user, link=link)
