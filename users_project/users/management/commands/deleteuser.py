from users.management.base import command
from users.models import User

HELP = "Delete a user, but keep the row: e-mail and username stay taken."
Command = command(User.soft_delete, "is deleted, all sessions ended", HELP)
