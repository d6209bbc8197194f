"""End all sessions, of a user or of all users."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import pluralize

from tokens.management.base import find_user_id
from tokens.revocation import end_live_sessions


class Command(BaseCommand):
    help = (
        "End all sessions of a user, or of all users. The User Service's `endsessions` "
        "also stops a login that is under way."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        words = "E-mail address, username or id."
        parser.add_argument("user", nargs="?", help=words)
        parser.add_argument("--all", action="store_true", help="All users.")
        words = "Do not ask for confirmation."
        parser.add_argument(
            "--noinput", action="store_false", dest="interactive", help=words
        )

    def handle(self, *args: Any, **options: Any) -> None:
        user, all_users = options["user"], options["all"]
        if (user is None) != all_users:
            raise CommandError("Name either a user or --all.")
        if all_users and options["interactive"] and not self.is_sure():
            raise CommandError("Nothing was done.")
        total = end_live_sessions(None if all_users else find_user_id(user))
        text = f"Ended {total} session{pluralize(total)}."
        self.stdout.write(self.style.SUCCESS(text))

    def is_sure(self) -> bool:
        try:
            return input("Log all users out? Type 'yes': ") == "yes"
        except EOFError as exc:
            raise CommandError(
                "No terminal to ask for confirmation. Use --noinput."
            ) from exc
