import sys
from typing import Any

from django.conf import settings
from django.core.checks import DEBUG, ERROR, CheckMessage
from django.core.management.base import BaseCommand, CommandParser

from shared.management.commands.doctor import FOUND_WRONG, line
from users.mail.probe import send_test_mail


class Command(BaseCommand):
    help = "Send a test mail, and say what is wrong if it fails. 3: WRONG"

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", help="The recipient.")

    def handle(self, *args: Any, **options: Any) -> None:
        text, fault, hint = f"{self.where()} takes a test mail", "", ""
        if settings.MAIL_ENABLED:
            fault, hint = send_test_mail(options["address"])
        else:
            fault, hint = "there is no mail", "Set MAIL_URL and MAIL_FROM."
        if fault:
            message = CheckMessage(ERROR, f"{text}: {fault}", hint, id="mail.test")
        else:
            message = CheckMessage(DEBUG, text, id="mail.test")
        self.stdout.write(line(message))
        if fault:
            sys.exit(FOUND_WRONG)

    def where(self) -> str:
        """Host and port, or what else takes mail."""
        if settings.MAIL_SERVER:
            return f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
        return settings.MAIL_BACKEND or "MAIL_FOLDER"
