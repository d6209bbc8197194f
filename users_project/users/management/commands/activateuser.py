from users.management.base import UserCommand
from users.models import User


class Command(UserCommand):
    help = "Let a deactivated user log in again."
    act = User.activate
    done = "is active"
