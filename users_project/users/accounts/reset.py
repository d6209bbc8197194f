"""The reset of a forgotten password by a link in a mail."""

from django.db import transaction
from django.utils import timezone

from users import passwords
from users.accounts import links
from users.accounts.models import Purpose
from users.events.log import record
from users.factors import resets
from users.limits import guess_limits
from users.limits.guess_limits import Client, counted
from users.models import User


def confirm(token: str, new_password: str, client: Client) -> None:
    """Set the password and end all sessions. Open none. For a quarter of an hour the
    client's address counts as a device of the user, who may be under attack.

    Raises ValidationError, after which the link stays good; LinkInvalid, RateLimited or
    Overloaded.
    """
    with counted(client):
        link = links.find(token, Purpose.RESET)
        user = link.user
        assert user is not None
        passwords.check("new_password", new_password, user)
        user.set_password(new_password)  # takes long, so before the transaction
        with transaction.atomic():
            set_password(links.take(link), user.password)
    guess_limits.forget(user)
    guess_limits.trust(user, client)


def set_password(user: User, encoded: str) -> None:
    """Store the password. If anyone may have made the account, what they have added is
    removed, second factors too. Otherwise, also after an operator's change of address,
    these stay: only a reset of them, with its delay, removes them. All sessions end."""
    user.password = encoded
    names = {"password"}
    if not user.is_established:
        resets.record_removals(user.factors.all())
        resets.delete_all(user)
    if not user.email_verified:
        user.email_verified_at = timezone.now()
        names.add("email_verified_at")
        record("email_verified", user.pk)
    user.write(names)
    links.void_others(user)
    record("password_reset", user.pk)
