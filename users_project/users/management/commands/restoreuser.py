from django.core.management.base import CommandError

from users.accounts import deletion
from users.management.base import command
from users.models import User


def restore(user: User) -> None:
    """Restore a deleted user. Raises CommandError if it is too late."""
    if user.is_deleted and not deletion.restore(user):
        raise CommandError(f"Too late: {user} is about to be erased.")


HELP = "Bring a deleted user back, within fourteen days."
Command = command(restore, "is restored", HELP)
