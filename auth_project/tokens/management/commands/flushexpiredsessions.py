"""Delete sessions whose row has no more use. Run it daily."""

from typing import Any

from django.core.management.base import BaseCommand
from django.db import transaction
from django.template.defaultfilters import pluralize

from tokens.models import Session

BATCH = 1000  # rows per transaction, so that no lock is held for long


class Command(BaseCommand):
    help = "Delete sessions that expired more than a day ago, in batches."

    def handle(self, *args: Any, **options: Any) -> None:
        total = 0
        while deleted := self.delete_batch():
            total += deleted
        self.stdout.write(f"Deleted {total} expired session{pluralize(total)}.")

    def delete_batch(self) -> int:
        # Rows that another run has locked are that run's.
        batch = Session.objects.purgeable().order_by("expires_at")
        with transaction.atomic():
            locked = batch.select_for_update(skip_locked=True)
            # Read first: as a subquery PostgreSQL may evaluate it more than once, and
            # find other rows each time.
            ids = list(locked.values_list("id", flat=True)[:BATCH])
            deleted, _ = Session.objects.filter(id__in=ids).delete()
        return deleted
