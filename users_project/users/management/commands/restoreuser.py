from users.management.base import command
from users.models import User

HELP = "Bring a deleted user back."
Command = command(User.restore, "is restored", HELP)
