"""Delete rows that are of no more use, in batches."""

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

from django.contrib.sessions.models import Session
from django.db.models import Exists, OuterRef, Q, QuerySet
from django.utils import timezone

from users.accounts.models import AddressRequest, EmailChange, Link, Registration
from users.factors.models import Challenge, Factor, RecoveryCode
from users.mail.models import SETTLED, Mail

BATCH = 1000  # rows in a transaction, so that no lock is held for long
# With a purge every ten minutes they are gone within the hour.
REQUESTS_KEPT = timedelta(minutes=50)
DEAD_KEPT = timedelta(days=1)
MAILS_KEPT = timedelta(days=30)


def purge() -> int:
    """Delete the rows of `over`, and return their number."""
    return sum(delete_in_batches(rows) for rows in over())


def over() -> Iterator[QuerySet[Any]]:
    """The rows to delete, in this order."""
    now = timezone.now()
    dead = {"expires_at__lt": now - DEAD_KEPT}
    # A link that was mailed again for a registration would keep it for a third day.
    of_registration = Q(user=None, expires_at__lt=now)
    unsettled = Mail.objects.filter(link=OuterRef("pk"), sent_at=None, failed_at=None)
    yield Session.objects.filter(expire_date__lt=now)  # of the admin
    yield AddressRequest.objects.filter(created_at__lt=now - REQUESTS_KEPT)
    yield EmailChange.objects.filter(**dead)
    yield Link.objects.filter(Q(**dead) | of_registration, ~Exists(unsettled))
    yield Challenge.objects.filter(**dead)
    yield Factor.objects.filter(confirmed_at=None, created_at__lt=now - DEAD_KEPT)
    yield RecoveryCode.objects.filter(used_at__lt=now - DEAD_KEPT)
    yield Registration.objects.filter(links=None, created_at__lt=now - DEAD_KEPT)
    yield Mail.objects.alias(settled=SETTLED).filter(settled__lt=now - MAILS_KEPT)


def delete_in_batches(rows: QuerySet[Any]) -> int:
    """Delete these rows, commit every batch, and return their number. Another worker
    may delete the same rows, and a new row may have taken the key of one."""
    total = 0
    while keys := list(rows.values_list("pk", flat=True)[:BATCH]):
        total += rows.filter(pk__in=keys).delete()[0]
    return total
