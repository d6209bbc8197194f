"""Make Redis agree with another database: docs/operations/backup.md."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError
from redis.exceptions import RedisError

from shared.api.exceptions import DependencyUnavailable
from tokens.revocation import republish_known_sessions


class Command(BaseCommand):
    help = (
        "After a restore: compare every session that Redis knows with the database. "
        "The services must not run."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            ended, live = republish_known_sessions()
        except (RedisError, OSError, DependencyUnavailable) as exc:
            raise CommandError("Redis does not answer.") from exc
        self.stdout.write(f"Redis knew {ended} ended and {live} live sessions.")
