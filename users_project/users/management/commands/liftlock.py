from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import pluralize
from redis.exceptions import RedisError

from users.limits.lockouts import reset_lockouts
from users.management.base import find_user, subjects_of


class Command(BaseCommand):
    help = "Reset the counts of guesses for a user (all names) or for an IP address."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("subject", help="E-mail, username, user id or IP address.")

    def handle(self, *args: Any, **options: Any) -> None:
        subject = options["subject"]
        if not subject:
            raise CommandError("Name a user or an IP address.")
        subjects, user = subjects_of(subject), find_user(subject)
        try:
            lifted = reset_lockouts(subject, subjects, by="operator", user=user)
        except (RedisError, OSError) as exc:
            raise CommandError("Redis does not answer. Nothing was changed.") from exc
        self.stdout.write(
            self.style.SUCCESS(f"{lifted} count{pluralize(lifted)} reset.")
        )
