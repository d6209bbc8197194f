"""What the commands on one user have in common."""

from collections.abc import Callable
from typing import Any, ClassVar

from django.core.management.base import BaseCommand, CommandError, CommandParser

from shared.structured_logging import audit
from users import lockouts
from users.models import User


def find(login: str) -> User:
    """The user with this id, e-mail address or username; raises CommandError."""
    user = lockouts.find_user(login)
    if user is None:
        raise CommandError(f"There is no user {login}.")
    return user


class UserCommand(BaseCommand):
    """Does `act` to the user that is named, and says so."""

    act: ClassVar[Callable[[User], None]]
    done: ClassVar[str]

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="E-mail address, username or id.")

    def handle(self, *args: Any, **options: Any) -> None:
        user = find(options["user"])
        type(self).act(user)
        audit(f"user_{type(self).act.__name__}", user_id=str(user.pk), by="operator")
        self.stdout.write(self.style.SUCCESS(f"{user} {self.done}."))
