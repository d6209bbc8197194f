from users.management.base import command
from users.models import User

HELP = "Log a user out everywhere."
Command = command(User.end_sessions, "is logged out everywhere", HELP)
