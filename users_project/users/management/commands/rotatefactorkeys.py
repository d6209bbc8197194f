from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from users.factors import secrets


class Command(BaseCommand):
    help = "Encrypt all TOTP secrets again, with the last key of FACTOR_KEYS_DIR."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--new", action="store_true", help="Make a new key first.")

    def handle(self, *args: Any, **options: Any) -> None:
        try:
            if options["new"]:
                self.stdout.write(f"New key: {secrets.add_key()}")
            changed = secrets.reencrypt()
            last = secrets.key_files()[0].name
        except (OSError, secrets.KeyFault) as exc:
            raise CommandError(exc) from exc
        text = f"{changed} encrypted again. All secrets now use {last}."
        self.stdout.write(self.style.SUCCESS(text))
