"""Proofs that a user who must have a second factor needs to add the first one. The
password is not enough: it may have leaked, and its finder could add a factor first."""

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
HAND_OVER = """This code sets up a second factor, once within a day, together
with the password. Give it only to the user:
{}"""


def is_proved(user: User, device: str, token: str = "") -> bool:
    """Whether a user who has given the password may add a factor: with the token of a
    link or code, which is then used up, or from a device of the account. If not, mail a
    link. Raises LinkInvalid."""
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
    """Mail a link, if the user's address is verified and no earlier address can undo
    the change to it: a thief with the password may have made that."""
    undoing = links.live().filter(purpose=Purpose.UNDO_EMAIL, user=user)
    can = settings.MAIL_ENABLED and user.email_verified and not undoing.exists()
    if can and has_room(Kind.ENROL, user.email, user):
        link_mails.send(Purpose.ENROL, user)


def token_for(user: User, **columns: Any) -> str:
    """The token of a link that is not mailed. `columns` are others of the link."""
    address = user.email_canonical
    link = links.issue(Purpose.ENROL, address=address, user=user, **columns)
    return links.token_of(link)


def code_for(user: User) -> str:
    """The token of a link that an operator hands over, valid for a day."""
    return token_for(user, expires_at=timezone.now() + CODE_LIFETIME)


def hand_over(user: User) -> str:
    """The text that a command prints: a code, and how to use it."""
    return HAND_OVER.format(code_for(user))
