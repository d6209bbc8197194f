from users.management.base import UserCommand
from users.models import User


class Command(UserCommand):
    help = "Log a user out everywhere."
    act = User.end_sessions
    done = "is logged out everywhere"
