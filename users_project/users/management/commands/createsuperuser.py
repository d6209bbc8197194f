import os
from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.management.base import CommandError

from users.factors import enrolment, policy
from users.models import User
from users.validators import normalize_identifier

NO_TERMINAL = (
    "No terminal to ask for names and a password. Use --noinput --email E-MAIL "
    "--username NAME, with DJANGO_SUPERUSER_PASSWORD in the environment."
)


class Command(createsuperuser.Command):
    """Fails if it lacks a terminal, where Django's command creates no user and reports
    success. Prints a code for the second factor if the admin requires one."""

    def handle(self, *args: Any, **options: Any) -> None:
        if options["interactive"] and not self.stdin.isatty():
            raise CommandError(NO_TERMINAL)
        self.email = options["email"] or os.environ.get("DJANGO_SUPERUSER_EMAIL", "")
        super().handle(*args, **options)
        address = normalize_identifier(self.email)
        user = User.objects.with_roles().get(email_canonical=address)
        if policy.is_required(user, "admin"):
            self.stdout.write(enrolment.hand_over(user))

    def get_input_data(self, field: Any, message: str, default: Any = None) -> Any:
        """Note an address that is typed: Django's command does not return the user."""
        value = super().get_input_data(field, message, default)
        if field.name == "email":
            self.email = value
        return value
