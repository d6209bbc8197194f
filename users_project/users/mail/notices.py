"""Notices: mails about what has happened to an account, to its owner."""

from datetime import timedelta
from typing import TYPE_CHECKING, Any

from django.utils import timezone

from shared.api.client_ip import network
from shared.auth import device_cookie
from shared.devices import device
from users.mail.models import Kind
from users.mail.outbox import notify, queue

if TYPE_CHECKING:
    from users.limits.guess_limits import Client
    from users.models import User

YOUNG = timedelta(hours=1)  # the owner of a younger account is still setting it up
NEW_DEVICES = 5  # notices a day
CHANGES = 3  # notices a day of another address that was asked for
# Names of browsers and systems that a mail may quote. Others may be whole sentences:
# ua-parser returns the name that an unknown browser gives itself.
NAMED = {
    *("Chrome", "Chrome Mobile", "Chrome Mobile iOS", "Chrome Mobile WebView"),
    *("Edge", "Edge Mobile", "Firefox", "Firefox Mobile", "Firefox iOS"),
    *("Mobile Safari", "Opera", "Opera Mobile", "Safari", "Samsung Internet"),
    *("Android", "Chrome OS", "iOS", "Linux", "Mac OS X", "Ubuntu", "Windows"),
    *("curl", "okhttp", "Python Requests"),
}


def of_end(user: Any, reason: str) -> None:
    """The notice of why all sessions have ended, if there is one. (Deleting has a mail
    of its own, with a link.)"""
    if reason == "password_changed":
        has_one = user.has_usable_password()
        notify(Kind.PASSWORD_CHANGED if has_one else Kind.PASSWORD_REMOVED, user)
    elif reason == "user_deactivated" and not user.is_deleted:  # "Your data is kept."
        notify(Kind.DEACTIVATED, user)


def of_login(user: "User", client: "Client") -> None:
    """A notice of a device that has never logged in to this account. No notice at the
    first login, or while the account is YOUNG: its owner is setting it up."""
    is_first = user.last_login is None or timezone.now() - user.created_at < YOUNG
    if is_first or is_known(user, client):
        return
    notify_from(client, Kind.NEW_DEVICE, user, daily=NEW_DEVICES)


def notify_from(client: "Client", kind: Kind, user: "User", *, daily: int = 0) -> None:
    """Notify of an act from this client, at most `daily` times a day (0: always)."""
    notify(kind, user, daily=daily, **place_of(client))


def place_of(client: "Client") -> dict[str, str]:
    """The device and its network, as far as a mail may name them."""
    name = device(client.user_agent)
    place = {"device": name} if {*name.split(" on ")} <= NAMED else {}
    if client.ip:
        place["network"] = network(client.ip, 24, 48)
    return place


def of_email_change(user: "User", client: "Client") -> None:
    """A notice to the user's present address that another one was asked for."""
    notify_from(client, Kind.EMAIL_CHANGE_REQUESTED, user, daily=CHANGES)


def of_move(user: Any, old: str) -> None:
    """A notice to the old address that an operator has set another. No link undoes
    this."""
    context = {"time": timezone.now().isoformat()}
    queue(Kind.EMAIL_CHANGED, old, locale=user.locale, user=user, context=context)


def is_known(user: "User", client: "Client") -> bool:
    """Whether the device has logged in to the account, also with an older password."""
    found = device_cookie.devices(client.device)
    return any(each.user_id == str(user.pk) for each in found)
