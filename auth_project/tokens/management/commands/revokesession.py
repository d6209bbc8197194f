"""End one session."""

from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandError, CommandParser

from tokens.models import Session
from tokens.revocation import end_session


class Command(BaseCommand):
    help = "End one session; its tokens are refused at once."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("session", type=UUID, help="Its id, as in listsessions.")

    def handle(self, *args: Any, **options: Any) -> None:
        sid = options["session"]
        if not Session.objects.live().filter(id=sid).exists():
            raise CommandError(f"There is no live session {sid}.")
        end_session(sid, "operator")
        self.stdout.write(self.style.SUCCESS(f"Session {sid} has ended."))
