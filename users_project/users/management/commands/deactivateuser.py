from users.management.base import UserCommand
from users.models import User


class Command(UserCommand):
    help = "Keep a user from logging in, and end all sessions."
    act = User.deactivate
    done = "is inactive, all sessions ended"
