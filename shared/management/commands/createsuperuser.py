"""Django's command has nothing to do in a service without users."""

from typing import Any

from django.contrib.auth.management.commands import createsuperuser


class Command(createsuperuser.Command):
    help = "Nothing: users live in the User Service."

    def handle(self, *args: Any, **options: Any) -> None:
        # A line and no error: `./manage_all.sh createsuperuser` runs in every service.
        self.stdout.write("Users live in the User Service; nothing to do here.")
