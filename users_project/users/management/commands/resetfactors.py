from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from users.factors import enrolment, resets
from users.management.base import find


class Command(BaseCommand):
    help = (
        "Remove all second factors of a user who has lost them, at once, and print a "
        "code to set up another. The user cannot cancel this."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="E-mail address, username or ID.")
        text = "How you know that the user asks for it. The event log keeps this."
        parser.add_argument("--reason", required=True, help=text)

    def handle(self, *args: Any, **options: Any) -> None:
        if not options["reason"].strip():
            raise CommandError("Give a reason.")
        user = find(options["user"])
        resets.run_now(user, "operator", options["reason"])
        user.refresh_from_db()
        text = f"{user} has no second factor. {enrolment.hand_over(user)}"
        self.stdout.write(self.style.SUCCESS(text))
