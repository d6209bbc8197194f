from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.template.defaultfilters import pluralize
from redis.exceptions import RedisError

from shared.limits.lockouts import lockouts
from shared.limits.ratelimit import digest
from users.management.base import subjects_of
from users.validators import normalize_identifier


class Command(BaseCommand):
    help = "List the reached limits of a user or an IP address, or all reached limits."

    def add_arguments(self, parser: CommandParser) -> None:
        words = "E-mail, username, user id or IP address."
        parser.add_argument("subject", nargs="?", default="", help=words)

    def handle(self, *args: Any, **options: Any) -> None:
        subject = options["subject"]
        subjects = subjects_of(subject)
        try:
            found = lockouts(subjects)
        except (RedisError, OSError) as exc:
            raise CommandError("Redis does not answer.") from exc
        if subject:
            login = digest(normalize_identifier(subject))
            self.stdout.write(f"In the audit log this is login {login}.")
        for limit, count, seconds in found:
            self.stdout.write(f"{limit:<36} {count:>4} counted  {seconds:>7} s left")
        self.stdout.write(f"{len(found)} lock{pluralize(found)}.")
