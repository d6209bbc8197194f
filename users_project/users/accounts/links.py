"""Links that prove a mailbox. A token is a function of its row and of SECRET_KEY."""

import base64
import binascii
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import datetime
from typing import Any
from uuid import UUID, uuid4

from django.conf import settings
from django.contrib.auth import get_user_model
from django.db import models
from django.utils import timezone
from django.utils.crypto import constant_time_compare, salted_hmac

from shared.api.exceptions import InvalidCredentials, LinkInvalid
from shared.db.functions import ClockTimestamp
from users.accounts.models import LINK_KINDS, Link, Purpose

MAX_ATTEMPTS = 5  # wrong passwords
# Void once the user has another address.
BOUND_TO_ADDRESS = {Purpose.VERIFY, Purpose.RESET}
# Not void before its time: the user's veto against a reset of the second factors.
CANCELLING = models.Q(purpose=Purpose.KEEP_FACTORS)


def issue(purpose: Purpose, *, address: str, **owner: Any) -> Link:
    """A link of this purpose for a user or a registration, which `owner` names, with
    other columns. Its token ends with a letter or digit: mail programs do not take a
    "-" at the end of a URL as part of it."""
    # The database's, as the times it is compared with: clocks of hosts differ.
    owner.setdefault("created_at", ClockTimestamp())
    owner.setdefault("expires_at", timezone.now() + LINK_KINDS[purpose].lifetime)
    user = owner.get("user")
    link = Link(
        purpose=purpose,
        address=address,
        session_epoch=user.session_epoch if user else 0,
        **owner,
    )
    while not token_of(link)[-1].isalnum():
        link.pk = uuid4()
    link.save(force_insert=True)
    return link


def token_of(link: Link) -> str:
    """base64url(id ‖ HMAC-SHA-256): 64 characters."""
    return encode(link, settings.SECRET_KEY)


def find(token: str, *purposes: Purpose) -> Link:
    """The live link of this token, with its user and registration. Does not use it up.
    Raises LinkInvalid."""
    link = live().filter(pk=id_of(token), purpose__in=purposes).first()
    if link is None or not any(
        constant_time_compare(token, encode(link, key))
        for key in (settings.SECRET_KEY, *settings.LINK_KEY_FALLBACKS)
    ):
        raise LinkInvalid
    return link


def use(link: Link) -> None:
    """Use the link up: of any number of calls at once, one succeeds. To be called in
    the transaction of the link's effect. Raises LinkInvalid."""
    if not live().filter(pk=link.pk).update(used_at=ClockTimestamp()):
        raise LinkInvalid


@contextmanager
def attempt(link: Link) -> Iterator[None]:
    """One of five passwords. Counted before the check, so that of a hundred at once
    five are checked; only InvalidCredentials stays counted. Raises LinkInvalid."""
    row = Link.objects.filter(pk=link.pk)
    if not live().filter(pk=link.pk).update(attempts=models.F("attempts") + 1):
        raise LinkInvalid
    is_wrong = False
    try:
        yield
    except InvalidCredentials:
        is_wrong = True
        raise
    finally:
        if not is_wrong:
            row.update(attempts=models.F("attempts") - 1)


def take(link: Link) -> Any:
    """Use up the link of a user, and return the user with the row locked. Raises
    LinkInvalid, also if a change of password, address or presence has voided the link.

    A link that undoes a change of address survives a change of password or address, and
    a deletion by the user: a thief would do that next. The row is locked first here and
    wherever links of a user are voided, so no transaction waits for another's link.
    """
    user = lock(link.user_id)
    use(link)
    is_undoing = link.purpose == Purpose.UNDO_EMAIL
    if user is None or not (user.is_present or (is_undoing and is_own_deletion(user))):
        raise LinkInvalid
    if link.purpose in BOUND_TO_ADDRESS and user.email_canonical != link.address:
        raise LinkInvalid
    if not is_undoing and user.session_epoch != link.session_epoch:
        raise LinkInvalid
    return user


def is_own_deletion(user: Any) -> bool:
    """Whether the user has deleted the account: then there is a link to restore it. The
    epoch may have changed, as an operator who ends all sessions voids no undoing."""
    restoring = live().filter(purpose=Purpose.RESTORE, user=user)
    return user.is_active and restoring.exists()


def lock(user_id: UUID | None) -> Any:
    """The user, with the row locked until the transaction ends, or None."""
    users = get_user_model()._default_manager.select_for_update(no_key=True)
    return users.filter(pk=user_id).first()


def void_others(user: Any, undone: Link | None = None) -> None:
    """Void the other links of a user whose row is locked, once one was used. Links that
    keep the second factors stay, and so do links that undo a change of address. If the
    latter was used (`undone`), those of later changes are void, too."""
    kept = models.Q(purpose=Purpose.UNDO_EMAIL)
    if undone:
        kept &= models.Q(created_at__lt=undone.created_at)
    kept |= CANCELLING
    void(~kept, user=user)


def void(*conditions: models.Q, **columns: Any) -> None:
    """Void all links that match these conditions and were not used."""
    rows = Link.objects.filter(*conditions, used_at=None, **columns)
    rows.update(used_at=ClockTimestamp())


def way_back(user: Any, address: str) -> Link | None:
    """The first link by which this user can take this address back."""
    undoing = live().filter(purpose=Purpose.UNDO_EMAIL, user=user, address=address)
    return undoing.order_by("created_at").first()


def is_held(address: str, but: Any = None) -> bool:
    """Whether a user other than this one can still take the address back."""
    held = live().filter(purpose=Purpose.UNDO_EMAIL, address=address)
    return held.exclude(user_id=but).exists()


def live() -> models.QuerySet[Link]:
    return Link.objects.select_related("user", "registration").filter(
        used_at=None, expires_at__gt=ClockTimestamp(), attempts__lt=MAX_ATTEMPTS
    )


def id_of(token: str) -> UUID:
    try:
        return UUID(bytes=base64.urlsafe_b64decode(token)[:16])
    except (binascii.Error, ValueError) as exc:
        raise LinkInvalid from exc


def encode(link: Link, key: str) -> str:
    expires_at: datetime = link.expires_at
    subject = link.user_id or link.registration_id
    text = f"{link.pk}|{link.purpose}|{subject}|{expires_at.isoformat()}"
    mac = salted_hmac("users.accounts.links", text, secret=key, algorithm="sha256")
    return base64.urlsafe_b64encode(link.pk.bytes + mac.digest()).decode()
