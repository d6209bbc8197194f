from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from users.events.log import record
from users.models import User

BATCH = 1000  # users of one transaction: PostgreSQL would not change all in time


class Command(BaseCommand):
    help = (
        "After a restore: raise the epoch of every user above the current time and a "
        "number, so that no older session is accepted. You may repeat it."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        text = "The number that the Auth Service's highestepoch prints."
        parser.add_argument("--above", type=int, required=True, help=text)

    def handle(self, *args: Any, **options: Any) -> None:
        total, after = 0, UUID(int=0)
        while raised := raise_batch(options["above"], after):
            total, after = total + len(raised), max(raised)
        self.stdout.write(self.style.SUCCESS(f"Raised the epochs of {total} users."))


@transaction.atomic
def raise_batch(above: int, after: UUID) -> list[UUID]:
    """Raise the epochs of the next users after this id, and return their ids."""
    raised = User.objects.raise_epochs(above, BATCH, after)
    if raised:
        what = {"users": len(raised), "above": above, "reason": "restored"}
        record("sessions_ended", None, **what)
    return raised
