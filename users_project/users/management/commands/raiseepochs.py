from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from shared.structured_logging import audit
from users.models import User


class Command(BaseCommand):
    help = (
        "After a restore: raise the epoch of every user above the clock and a number, "
        "so that no session from before is accepted."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        text = "What the Auth Service's highestepoch prints."
        parser.add_argument("--above", type=int, required=True, help=text)

    def handle(self, *args: Any, **options: Any) -> None:
        above = options["above"]
        total = User.objects.raise_all_epochs(above)
        audit("sessions_ended", users=total, above=above, reason="restored")
        self.stdout.write(self.style.SUCCESS(f"Raised the epochs of {total} users."))
