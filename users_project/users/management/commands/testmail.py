import re
import sys
from smtplib import SMTPAuthenticationError, SMTPException
from typing import Any

from django.conf import settings
from django.core.checks import DEBUG, ERROR, CheckMessage
from django.core.mail import EmailMessage
from django.core.management.base import BaseCommand, CommandParser

from shared.management.commands.doctor import FOUND_WRONG, line
from users.mail.delivery import send
from users.validators import EMAIL

SUBJECT = "Memo: a test mail"
TEXT = "The mail server of your Memo took this mail, and it has arrived.\n"
HINT = "See docs/mail.md#a-test-mail-that-fails."


class Command(BaseCommand):
    help = "Send a test mail, and say what is wrong if it fails (exit status 3)."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("address", help="The recipient.")

    def handle(self, *args: Any, **options: Any) -> None:
        text = f"{self.where()} takes a test mail"
        if fault := self.send(options["address"]):
            message = CheckMessage(ERROR, f"{text}: {fault}", HINT, id="mail.test")
        else:
            message = CheckMessage(DEBUG, text, id="mail.test")
        self.stdout.write(line(message))
        if fault:
            sys.exit(FOUND_WRONG)

    def where(self) -> str:
        """The mail server's host and port, or the backend, or the folder of mails."""
        if settings.MAIL_SERVER:
            return f"{settings.EMAIL_HOST}:{settings.EMAIL_PORT}"
        return settings.MAIL_BACKEND or "MAIL_FOLDER"

    def send(self, address: str) -> str:
        """Send a test mail. Return what is wrong, or an empty string."""
        if not settings.MAIL_ENABLED:
            return "MAIL_URL is not set"
        if not re.match(EMAIL, address):
            return f"{address!r} is no e-mail address in ASCII"
        try:
            send(EmailMessage(SUBJECT, TEXT, to=[address]))
        except SMTPAuthenticationError as exc:  # its text may quote the password
            return f"SMTPAuthenticationError: {exc.smtp_code}"
        except (SMTPException, OSError) as exc:
            return f"{type(exc).__name__}: {exc}"
        except Exception as exc:  # noqa: BLE001 - each MAIL_BACKEND raises its own
            return type(exc).__name__
        return ""
