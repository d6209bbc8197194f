"""Create a link and queue the mail that brings it. To be called in a transaction."""

from typing import Any

from users.accounts import links
from users.accounts.models import LINK_KINDS, Purpose, Registration
from users.mail.outbox import queue
from users.models import User
from users.validators import normalize_identifier


def send(
    purpose: Purpose, owner: User | Registration, *, to: str = "", **columns: Any
) -> None:
    """Mail a link of this purpose to the address of its owner, or to `to`. `columns`
    are further columns of the link."""
    email = to or owner.email
    address = normalize_identifier(email)
    whose = {"user" if isinstance(owner, User) else "registration": owner}
    link = links.issue(purpose, address=address, **whose, **columns)
    queue(LINK_KINDS[purpose].mail, email, locale=owner.locale, link=link, **whose)
