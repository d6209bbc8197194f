"""Delete what was counted in PostgreSQL while Redis was away. To be run daily."""

from typing import Any

from django.core.management.base import BaseCommand

from shared.limits.floor import tallies

BATCH = 1000


class Command(BaseCommand):
    help = "Delete counts of windows that are over, in batches."

    def handle(self, *args: Any, **options: Any) -> None:
        total = 0
        while deleted := self.delete_batch():
            total += deleted
        self.stdout.write(f"Deleted {total} expired counts.")

    def delete_batch(self) -> int:
        rows = tallies()
        if rows is None:
            return 0
        ids = list(rows.expired().values_list("bucket", flat=True)[:BATCH])
        # Looked at once more: one of them may have begun a new window.
        return int(rows.expired().filter(bucket__in=ids).delete()[0])
