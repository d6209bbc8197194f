from users.management.base import command
from users.models import User

HELP = "Keep a user from logging in, and end all sessions."
Command = command(User.deactivate, "is inactive, all sessions ended", HELP)
