from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.management.base import CommandError

NO_TERMINAL = (
    "No terminal to ask for names and a password. Use --noinput --email E-MAIL "
    "--username NAME, with DJANGO_SUPERUSER_PASSWORD in the environment."
)


class Command(createsuperuser.Command):
    """Django's, which without a terminal makes no user and reports success."""

    def handle(self, *args: Any, **options: Any) -> Any:
        if options["interactive"] and not self.stdin.isatty():
            raise CommandError(NO_TERMINAL)
        return super().handle(*args, **options)
