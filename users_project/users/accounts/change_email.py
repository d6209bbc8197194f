"""Changes of the e-mail address. The user asks for one, the new mailbox confirms it,
and for seven days the old mailbox can undo it."""

from typing import Any
from uuid import UUID

from django.contrib.auth.hashers import make_password
from django.db import transaction
from django.utils import timezone
from procrastinate.contrib.django import app
from rest_framework.exceptions import ValidationError

from shared.api.exceptions import LinkInvalid
from shared.auth.authentication import TokenUser
from shared.structured_logging import audit
from users.accounts import deletion, link_mails, links
from users.accounts.models import LINK_KINDS, EmailChange, Purpose
from users.accounts.names import unique_names
from users.accounts.proofs import Proof, check
from users.events.log import record, source
from users.factors import resets
from users.limits.guess_limits import Client, counted
from users.mail import notices
from users.mail.daily_limit import DAY, has_room
from users.mail.models import Kind, Mail
from users.models import User
from users.passwords import credentials
from users.validators import normalize_identifier


def request(
    user: User,
    caller: TokenUser,
    client: Client,
    new_email: str,
    current_password: str | None = None,
) -> EmailChange:
    """Have a link mailed to the new address, and a notice to the present one. The
    worker checks whether the new one is taken: then it mails no link.

    Raises ValidationError if the new address is the present one or the password is
    wrong; InsufficientUserAuthentication, RateLimited, Overloaded.
    """
    if normalize_identifier(new_email) == user.email_canonical:
        detail = {"new_email": ["This is your address already."]}
        raise ValidationError(detail, code="email_unchanged")
    with counted(client):
        proved = credentials.is_proved(user, caller, current_password)
        change = begin(user, new_email, caller.sid, client) if proved else None
        if change is None:
            record("email_change_fail", user.pk, sid=str(caller.sid))
            raise ValidationError(credentials.WRONG, code="invalid")
    return change


@transaction.atomic
def begin(user: User, new_email: str, sid: UUID, client: Client) -> EmailChange | None:
    """Store the change. None if the password has changed since it was read: someone
    with the old one must not undo what an operator did meanwhile."""
    locked = links.lock(user.pk)
    if locked is None or not locked.is_present or locked.password != user.password:
        return None
    change = store(locked, new_email)
    notices.of_email_change(locked, client)
    app.configure_task("handle_email_change").defer(user_id=str(user.pk))
    record("email_change_requested", user.pk, sid=str(sid))
    return change


def store(user: User, new_email: str) -> EmailChange:
    """Store the change that waits, in place of an earlier one."""
    forget(user)
    now = timezone.now()
    until = now + LINK_KINDS[Purpose.CHANGE_EMAIL].lifetime
    times = {"created_at": now, "expires_at": until}
    return EmailChange.objects.create(user=user, email=new_email, **times)


@transaction.atomic
def cancel(user: User, sid: UUID) -> None:
    """Forget the change that waits, and void its link."""
    links.lock(user.pk)
    if forget(user):
        record("email_change_cancelled", user.pk, sid=str(sid))


def forget(user: User) -> bool:
    """Like `cancel`, for a user whose row is locked. False if no change waits."""
    links.void(purpose=Purpose.CHANGE_EMAIL, user=user)
    deleted, _ = EmailChange.objects.filter(user=user).delete()
    return bool(deleted)


def handle(user_id: UUID) -> None:
    """The worker's part: mail the link, unless the address is taken. Its owner gets no
    mail then. However late this is, the link ends with the change. May run twice."""
    with transaction.atomic():
        user = links.lock(user_id)
        waiting = EmailChange.objects.filter(user=user, expires_at__gt=timezone.now())
        change = waiting.first()
        if change is None or not user.is_present:
            return
        address = normalize_identifier(change.email)
        sent = links.live().filter(purpose=Purpose.CHANGE_EMAIL, user=user)
        taken = User.objects.filter(email_canonical=address)
        held = links.is_held(address, but=user_id)
        if sent.exists() or taken.exists() or held:
            return
        if has_room(Kind.CHANGE_EMAIL, address, user):
            until = {"expires_at": change.expires_at}
            link_mails.send(Purpose.CHANGE_EMAIL, user, to=change.email, **until)


def confirm(token: str, proof: Proof, client: Client) -> None:
    """Give the account the new address. Mail the old one a link that undoes the change.

    Raises LinkInvalid, ValidationError, InvalidCredentials, AccountExists, RateLimited
    or Overloaded. The link stays good, except for LinkInvalid and five wrong passwords.
    """
    with counted(client):
        link = links.find(token, Purpose.CHANGE_EMAIL)
        check(link, proof, client)
        with transaction.atomic():
            user = links.take(link)
            change = EmailChange.objects.filter(user=user).first()
            if change is None or normalize_identifier(change.email) != link.address:
                raise LinkInvalid
            old, established = user.email, user.is_established
            move(user, change.email)
            change.delete()
            # If the user takes this address back, a thief may have changed it before.
            back = links.way_back(user, link.address)
            links.void_others(user, undone=back)
            if back is None:
                # If anyone may have made the account, undoing deletes all factors, as a
                # reset of the password does: a day, as the host that has made the
                # account has a clock of its own.
                since = {} if established else {"created_at": user.created_at - DAY}
                link_mails.send(Purpose.UNDO_EMAIL, user, to=old, **since)
            record("email_changed", user.pk)


def undo(token: str, client: Client) -> None:
    """Give the account its old address back, end all sessions, make the password
    unusable and delete the second factors that were added since: a thief's would stay.
    Cancel a reset of all factors: the thief may have got its mail. Another mail brings
    a link that sets a password.

    Raises LinkInvalid; RateLimited; AccountExists if an operator has given the address
    to another user.
    """
    with counted(client):
        link = links.find(token, Purpose.UNDO_EMAIL)
        with transaction.atomic():
            user = links.take(link)
            # The link has only the canonical form, the mail the address as it was.
            mail = Mail.objects.filter(link=link).first()
            old = mail.address if mail else link.address
            move(user, old, password=make_password(None))
            if user.is_deleted:
                deletion.bring_back(user)
                record("user_restored", user.pk)
            resets.delete_since(user, link.created_at)
            resets.cancel(user)
            user.raise_epoch("email_change_undone", password_changed=True)
            audit("authn_password_change", user_id=str(user.pk), **source())
            links.void_others(user, undone=link)
            link_mails.send(Purpose.RESET, user)
            record("email_change_undone", user.pk)


def move(user: User, email: str, **columns: Any) -> None:
    """Set the user's address, as verified, and these columns. Raises AccountExists."""
    now = timezone.now()
    columns |= {"email": email, "email_canonical": normalize_identifier(email)}
    columns |= {"email_verified_at": now, "updated_at": now}
    vars(user).update(columns)
    with unique_names(user):
        User.objects.filter(pk=user.pk).update(**columns)
