from users.management.base import UserCommand
from users.models import User


class Command(UserCommand):
    help = "Bring a deleted user back."
    act = User.restore
    done = "is restored"
