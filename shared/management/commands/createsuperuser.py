"""Replaces Django's command: a service without users has nothing to do."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser


class Command(createsuperuser.Command):
    help = "Nothing: users live in the User Service."

    def handle(self, *args: Any, **options: Any) -> None:
        # No error: `./manage_all.sh createsuperuser` runs this in every service.
        self.stdout.write("Users live in the User Service; nothing to do here.")
