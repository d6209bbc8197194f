"""Delete sessions whose row has no more use. Run it daily."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from tokens.models import Session


class Command(BaseCommand):
    help = "Delete sessions that expired more than a day ago, in batches."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "--batch-size",
            type=int,
            default=1000,
            help="Rows per transaction, so that no lock is held for long.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        total = 0
        while deleted := self.delete_batch(options["batch_size"]):
            total += deleted
        self.stdout.write(f"Deleted {total} expired sessions.")

    def delete_batch(self, size: int) -> int:
        # Rows that another run has locked are that run's.
        batch = Session.objects.purgeable().order_by("expires_at")
        with transaction.atomic():
            locked = batch.select_for_update(skip_locked=True)
            # Read first: as a subquery PostgreSQL may evaluate it more than once, and
            # find other rows each time.
            ids = list(locked.values_list("id", flat=True)[:size])
            deleted, _ = Session.objects.filter(id__in=ids).delete()
        return deleted
