"""Show who has to wait."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from redis.exceptions import RedisError

from shared.limits import locks
from shared.limits.buckets import digest
from shared.names import canonical


class Command(BaseCommand):
    help = (
        "List the waits that limits impose at this moment: on one account or address, "
        "or all. Keys hold no names, so who it is has to be named."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument(
            "subject",
            nargs="?",
            default="",
            help="E-mail address, username, user id or IP address.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            found = locks.locks(options["subject"])
        except (RedisError, OSError) as exc:
            raise CommandError("Redis does not answer.") from exc
        if options["subject"]:
            login = digest(canonical(options["subject"]))
            self.stdout.write(f"In the audit log: login {login}.")
        for lock in found:
            line = f"{lock.limit:<16} {lock.failures:>4} failures  {lock.seconds:>6} s"
            self.stdout.write(line)
        self.stdout.write(f"{len(found)} locks.")
