"""The highest epoch that auth has received of any user."""

from typing import Any

from django.core.management.base import BaseCommand

from tokens.models import Session


class Command(BaseCommand):
    help = "Print the highest epoch of any user, for the User Service's raiseepochs."

    def handle(self, *args: Any, **options: Any) -> None:
        found = Session.objects.highest_epochs(1)
        self.stdout.write(str(found[0][1] if found else 0))
