from users.management.base import UserCommand
from users.models import User


class Command(UserCommand):
    help = "Delete a user, but keep the row: e-mail and username stay taken."
    act = User.soft_delete
    done = "is deleted, all sessions ended"
