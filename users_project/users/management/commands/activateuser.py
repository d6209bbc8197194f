from users.management.base import command
from users.models import User

HELP = "Let a deactivated user log in again."
Command = command(User.activate, "is active", HELP)
