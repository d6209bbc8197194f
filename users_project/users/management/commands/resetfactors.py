from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import date

from users.factors import enrolment, resets
from users.factors.models import Factor
from users.management.base import find

WAITS = "The second factors of {} are removed after {} UTC. A mail can cancel it."
NONE = "{} has no second factor. With --now this prints a code to set up the first one."


class Command(BaseCommand):
    help = (
        "Remove all second factors of a user who has lost them, after "
        "FACTOR_RESET_DELAY; with --now at once, and print a code to set up another."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="E-mail address, username or ID.")
        text = "How you know that it is the user who asks. Kept."
        parser.add_argument("--reason", required=True, help=text)
        text = "Do not wait: the user cannot object."
        parser.add_argument("--now", action="store_true", help=text)

    def handle(self, *args: Any, **options: Any) -> None:
        user, asked = find(options["user"]), ("operator", options["reason"])
        if options["now"]:
            resets.run_now(user, *asked)
            user.refresh_from_db()
            text = f"{user} has no second factor. {enrolment.hand_over(user)}"
        elif not Factor.objects.filter(user=user, confirmed_at__isnull=False).exists():
            raise CommandError(NONE.format(user))
        else:
            due = resets.request(user, *asked).due_at
            text = WAITS.format(user, date(due, "DATETIME_FORMAT"))
        self.stdout.write(self.style.SUCCESS(text))
