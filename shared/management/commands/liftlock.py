"""Let somebody try again at once."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from shared.limits import locks

AWAY = "Redis does not answer. What PostgreSQL has counted meanwhile is forgotten."


class Command(BaseCommand):
    help = "Forget the failures of an account, or those counted for an address."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "subject", help="E-mail address, username, user id or IP address."
        )
        parser.add_argument(
            "--address", default="", help="Only those of the account from there."
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            lifted = locks.lift(options["subject"], options["address"])
        except ValueError as exc:
            raise CommandError("Name somebody; --address takes an IP address.") from exc
        except (RedisError, OSError) as exc:
            raise CommandError(AWAY) from exc
        self.stdout.write(self.style.SUCCESS(f"{lifted} counts forgotten."))
