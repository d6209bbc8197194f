"""Delete expired sessions now. The sweep does so every hour."""

from typing import Any

from django.core.management.base import BaseCommand
from django.template.defaultfilters import pluralize

from tokens.models import Session
from tokens.sweep import purge_batch


class Command(BaseCommand):
    help = "Delete sessions that expired more than a day ago, in batches."

    def handle(self, *args: Any, **options: Any) -> None:
        total = 0
        while deleted := purge_batch(Session):
            total += deleted
        self.stdout.write(f"Deleted {total} expired session{pluralize(total)}.")
