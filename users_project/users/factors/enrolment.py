"""Proofs for the first second factor of a user who must have one. The password alone is
none: somebody who has a leaked one would set up a factor before its owner does."""

from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from shared.api.exceptions import LinkInvalid
from shared.auth import device_cookie
from users.accounts import link_mails, links
from users.accounts.models import Purpose
from users.mail.daily_limit import has_room
from users.mail.models import Kind
from users.models import User

CODE_LIFETIME = timedelta(days=1)  # an operator has to hand it over
HAND_OVER = """Within a day this code sets up a second factor, once, together
with the password. Hand it over to the user alone:
{}"""


def is_proved(user: User, device: str, token: str = "") -> bool:
    """Whether somebody with the password may go on: by the token of a link or code,
    which this uses up, or from a device of the account. Else a link is mailed. Raises
    LinkInvalid."""
    if token:
        use(user, token)
        return True
    if device_cookie.find(device, user):
        return True
    mail_link(user)
    return False


@transaction.atomic
def use(user: User, token: str) -> None:
    """Use up the token of a link or code of this user. Raises LinkInvalid."""
    link = links.find(token, Purpose.ENROL)
    if link.user_id != user.pk:
        raise LinkInvalid
    links.take(link)


@transaction.atomic
def mail_link(user: User) -> None:
    """To the mailbox that is known to be the user's."""
    can = settings.MAIL_ENABLED and user.email_verified
    if can and has_room(Kind.ENROL, user.email, user):
        link_mails.send(Purpose.ENROL, user)


def token_for(user: User, **columns: Any) -> str:
    """That of a link which is not mailed. `columns` are others of the link."""
    address = user.email_canonical
    link = links.issue(Purpose.ENROL, address=address, user=user, **columns)
    return links.token_of(link)


def code_for(user: User) -> str:
    """The same, for an operator to hand over."""
    return token_for(user, expires_at=timezone.now() + CODE_LIFETIME)


def hand_over(user: User) -> str:
    """What a command prints: a code, and what to do with it."""
    return HAND_OVER.format(code_for(user))
