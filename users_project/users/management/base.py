"""The common parts of the commands about one user."""

from collections.abc import Callable
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from users.events.log import record
from users.limits import lockouts
from users.models import User


def find(login: str) -> User:
    """The user with this e-mail address, username or id. Raises CommandError."""
    try:
        user = lockouts.find_user(login)
    except lockouts.AmbiguousUser as exc:
        raise CommandError(exc) from exc
    if user is None:
        raise CommandError(f"There is no user {login}.")
    if user.is_erased:
        raise CommandError(f"The user {user.pk} is erased.")
    return user


def subjects_of(text: str) -> set[str]:
    """The rate limit subjects of a user, name or IP address. Raises CommandError."""
    try:
        return lockouts.subjects_of(text)
    except lockouts.AmbiguousUser as exc:
        raise CommandError(exc) from exc


def command(act: Callable[[User], None], done: str, text: str) -> type[BaseCommand]:
    """A command with the help `text` that calls `act` on a user and prints `done`."""

    class Command(BaseCommand):
        help = text

        def add_arguments(self, parser: CommandParser) -> None:
            parser.add_argument("user", help="E-mail address, username or ID.")

        def handle(self, *args: Any, **options: Any) -> None:
            user = find(options["user"])
            with transaction.atomic():
                act(user)
                record(f"user_{act.__name__}", user.pk, by="operator")
            self.stdout.write(self.style.SUCCESS(f"{user} {done}."))

    return Command
