"""Deleting an account, which looks unknown from then on, and restoring it in time."""

from datetime import datetime

from django.db import transaction

from shared.api.exceptions import LastSuperuser, LinkInvalid
from users.accounts import link_mails, links
from users.accounts.models import Purpose
from users.events import log
from users.guess_limits import Client, counted
from users.mail import outbox
from users.mail.models import Kind
from users.models import User


@transaction.atomic
def delete_own(user: User) -> datetime | None:
    """Delete the account at its user's wish, and mail the link that restores it; until
    when it can be restored. Raises LastSuperuser.

    None, and nothing done, where the account or its password is no longer the one that
    was read.
    """
    present = User.objects.present()
    if user.is_superuser:
        # All are locked in one order: of two who delete themselves at once one stays.
        superusers = present.filter(is_superuser=True).order_by("pk")
        locked = superusers.select_for_update().values_list("pk", flat=True)
        if {*locked} <= {user.pk}:
            raise LastSuperuser
    same = present.filter(pk=user.pk, password=user.password)
    if not same.select_for_update().exists():
        return None
    user.soft_delete()
    link_mails.send(Purpose.RESTORE, user)
    log.record("user_deleted", user.pk)
    return user.delete_after


def restore_by_link(token: str, client: Client) -> None:
    """Restore the account of a link of `delete_own`. Raises LinkInvalid, RateLimited.

    A deactivation or another deletion since then has raised the epoch. The row comes
    before the link, as in `links.take`.
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


@transaction.atomic
def restore(user: User) -> bool:
    """Restore an account for an operator; False where it is not deleted, or where its
    time of erasure has come."""
    found = User.objects.filter(pk=user.pk).restorable().select_for_update().first()
    if found is not None:
        bring_back(found)
    return found is not None


def bring_back(user: User) -> None:
    """Undo the deletion of a user whose row is locked."""
    user.deleted_at = user.delete_after = None
    user.save(update_fields=["deleted_at", "delete_after"])
    links.void(purpose=Purpose.RESTORE, user=user)
    outbox.notify(Kind.RESTORED, user)
