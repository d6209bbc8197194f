"""Erase users again after a restore: docs/operations/backup.md."""

from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shared import erasures
from shared.api.exceptions import DependencyUnavailable
from tokens.erasure import erase


class Command(BaseCommand):
    help = (
        "After a restore: delete the sessions of the users in a file of erasures. The "
        "services must not run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        erasures.add_file_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            total = sum(map(erase, erasures.read(options["file"])))
        except (OSError, ValueError) as exc:
            raise CommandError(f"{options['file']} cannot be read.") from exc
        except DependencyUnavailable as exc:
            raise CommandError("Redis does not answer.") from exc
        self.stdout.write(f"Deleted {total} sessions of erased users.")
