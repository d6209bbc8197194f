from django.core.management.base import CommandError

from users.accounts import deletion
from users.management.base import command
from users.models import User


def restore(user: User) -> None:
    """Restore a user. Raises CommandError for one who is not deleted, or too late."""
    if not user.is_deleted:
        raise CommandError(f"{user} is not deleted.")
    if not deletion.restore(user):
        raise CommandError(f"Too late: {user} is about to be erased.")


HELP = "Bring a deleted user back, within fourteen days."
Command = command(restore, "is restored", HELP)
