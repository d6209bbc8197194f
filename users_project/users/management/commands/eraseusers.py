from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shared import erasures
from users.accounts import erasure
from users.factors import resets


class Command(BaseCommand):
    help = (
        "After a restore: erase the users in a file of erasures. Deleted users can be "
        "restored for fourteen more days, and no reset of second factors waits. The "
        "services must not run."
    )

    def add_arguments(self, parser: CommandParser) -> None:
        erasures.add_file_argument(parser)

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            erased = erasure.erase_again(erasures.read(options["file"]))
        except (OSError, ValueError) as exc:
            raise CommandError(f"{options['file']} cannot be read.") from exc
        waiting = erasure.wait_again()
        resets.forget_all()
        text = f"Erased {erased} users; {waiting} deleted users have 14 more days."
        self.stdout.write(text)
