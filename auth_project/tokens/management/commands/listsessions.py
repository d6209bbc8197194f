"""Show the live sessions of a user."""

from typing import Any

from django.core.management.base import BaseCommand, CommandParser
from django.template.defaultfilters import pluralize

from shared.devices import device
from tokens.management.base import find_user_id
from tokens.models import Session


class Command(BaseCommand):
    help = "List the live sessions of a user, the last used first."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("user", help="E-mail address, username or id.")

    def handle(self, *args: Any, **options: Any) -> None:
        live = Session.objects.live_of(find_user_id(options["user"]))
        for session in live:
            used = session.last_used_at.isoformat(" ", "seconds")
            where = f"{session.ip or '-'}  {device(session.user_agent)}"
            self.stdout.write(f"{session.id}  last used {used}  {where}")
        self.stdout.write(f"{len(live)} live session{pluralize(live)}.")
