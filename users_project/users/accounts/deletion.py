"""Delete an account, which then looks unknown, and restore it within fourteen days."""

from datetime import datetime

from django.db import transaction

from shared.api.exceptions import LastSuperuser, LinkInvalid, TokenRevoked
from users.accounts import link_mails, links
from users.accounts.models import Purpose
from users.events import log
from users.limits.guess_limits import Client, counted
from users.mail import outbox
from users.mail.models import Kind
from users.models import User


@transaction.atomic
def delete_own(user: User) -> datetime | None:
    """Delete the account for its user, and mail a link that restores it. Return until
    when it can be restored; None, with nothing done, if the password has changed since
    it was read. Raises LastSuperuser; TokenRevoked if the user is no longer present.
    """
    if user.is_superuser and User.objects.lock_superusers() <= {user.pk}:
        raise LastSuperuser
    found = User.objects.present().filter(pk=user.pk).select_for_update().first()
    if found is None:
        raise TokenRevoked
    if found.password != user.password:
        return None
    found.soft_delete()
    link_mails.send(Purpose.RESTORE, found)  # to the address that it has by now
    log.record("user_deleted", found.pk)
    return found.delete_after


def restore_by_link(token: str, client: Client) -> None:
    """Restore an account by a link of `delete_own`. Raises LinkInvalid, RateLimited.

    The link is void after a deactivation or another deletion, which raise the epoch.
    The row is locked before the link, as in `links.take`.
    """
    with counted(client):
        link = links.find(token, Purpose.RESTORE)
        same = User.objects.filter(pk=link.user_id, session_epoch=link.session_epoch)
        with transaction.atomic():
            found = same.restorable().select_for_update().first()
            links.use(link)
            if found is None:
                raise LinkInvalid
            bring_back(found)
            log.record("user_restored", found.pk)


def restore(user: User) -> bool:
    """Restore an account, whose row is locked, for an operator. False if it is not
    deleted, or if its time of erasure has come."""
    is_restorable: bool = User.objects.filter(pk=user.pk).restorable().exists()
    if is_restorable:
        bring_back(user)
    return is_restorable


def bring_back(user: User) -> None:
    """Undo the deletion of a user whose row is locked."""
    user.deleted_at = user.delete_after = None
    user.save(update_fields=["deleted_at", "delete_after"])
    links.void(purpose=Purpose.RESTORE, user=user)
    if user.is_active:  # the mail invites to log in
        outbox.notify(Kind.RESTORED, user)
