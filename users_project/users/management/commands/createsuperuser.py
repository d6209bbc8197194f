from typing import Any

from django.contrib.auth.management.commands import createsuperuser
from django.core.management.base import CommandError

from users.factors import enrolment, policy
from users.models import User

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
        super().handle(*args, **options)
        superusers = User.objects.with_roles().filter(is_superuser=True)
        user = superusers.latest("created_at")
        if policy.is_required(user, "admin"):
            self.stdout.write(enrolment.hand_over(user))
