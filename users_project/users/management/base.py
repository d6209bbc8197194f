"""The common parts of the commands about one user."""

from collections.abc import Callable
from contextlib import suppress
from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser
from django.db import transaction

from shared.api.client_ip import network
from users.accounts import links
from users.events.log import record
from users.limits.lockouts import names_of, users_of
from users.models import User
from users.validators import normalize_identifier


def find_user(text: str) -> User | None:
    """The one user of `users_of`. Raises CommandError if there are two."""
    found = users_of(text)
    if len(found) > 1:
        message = f"{text} is the username of {found[0]} and the id of {found[1]}."
        raise CommandError(f"{message} Use an e-mail address.")
    return found[0] if found else None


def find(login: str) -> User:
    """The user with this e-mail address, username or id. Raises CommandError."""
    user = find_user(login)
    if user is None:
        raise CommandError(f"There is no user {login}.")
    if user.is_erased:
        raise CommandError(f"The user {user.pk} is erased.")
    return user


def subjects_of(text: str) -> set[str]:
    """The rate limit subjects of a user under all names, of a name without a user, or
    of an IP address. Empty for an empty text. Raises CommandError."""
    user = find_user(text) if text else None
    subjects = names_of(user) if user else {normalize_identifier(text)} - {""}
    with suppress(ValueError):  # raised for a text that is not an IP address
        subjects |= {network(text, *bits) for bits in ((32, 64), (24, 56), (24, 48))}
    return subjects


def command(act: Callable[[User], None], done: str, text: str) -> type[BaseCommand]:
    """A command with the help `text` that calls `act` on a user, whose row is locked,
    and prints `done`. An act that changes nothing is an error, and no event."""
    state = done.partition(",")[0]  # without what follows from the change

    class Command(BaseCommand):
        help = text

        def add_arguments(self, parser: CommandParser) -> None:
            parser.add_argument("user", help="E-mail address, username or ID.")

        def handle(self, *args: Any, **options: Any) -> None:
            user_id = find(options["user"]).pk
            with transaction.atomic():
                user: User = links.lock(user_id)
                before = user.row
                act(user)
                if user.row == before:
                    raise CommandError(f"{user} {state} already.")
                record(f"user_{act.__name__}", user.pk, by="operator")
            self.stdout.write(self.style.SUCCESS(f"{user} {done}."))

    return Command
