from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.db import transaction

from users.events.log import record
from users.models import User


class Command(BaseCommand):
    help = (
        "After a restore: raise the epoch of every user above the current time and a "
        "number, so that no older session is accepted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        text = "The number that the Auth Service's highestepoch prints."
        parser.add_argument("--above", type=int, required=True, help=text)

    def handle(self, *args: Any, **options: Any) -> None:
        above = options["above"]
        with transaction.atomic():
            total = User.objects.raise_all_epochs(above)
            what = {"users": total, "above": above, "reason": "restored"}
            record("sessions_ended", None, **what)
        self.stdout.write(self.style.SUCCESS(f"Raised the epochs of {total} users."))
