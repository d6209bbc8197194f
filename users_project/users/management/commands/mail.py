import re
from email import message_from_bytes, policy
from email.message import EmailMessage
from pathlib import Path
from typing import Any

from django.conf import settings
from django.core.management.base import BaseCommand, CommandError, CommandParser

LINK = re.compile(r"^https?://\S+$", re.MULTILINE)  # alone on its line
END = b"-" * 79 + b"\n"  # Django may write several mails of one second to a file


def newest() -> EmailMessage:
    """The last mail in MAIL_FOLDER. Raises CommandError."""
    files = [*Path(settings.EMAIL_FILE_PATH).glob("*.log")]
    if not files:
        raise CommandError("There is no mail here. With MAIL_URL, mails are sent.")
    text = max(files, key=lambda path: path.stat().st_mtime_ns).read_bytes()
    last = text.split(END)[-2]
    return message_from_bytes(last, policy=policy.default)


class Command(BaseCommand):
    help = "Print the newest mail that development wrote to a file, or only its link."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--link", action="store_true", help="Print only its link.")

    def handle(self, *args: Any, **options: Any) -> None:
        mail = newest()
        body = mail.get_body(("plain",))
        text = str(body.get_content()) if body else ""
        if not options["link"]:
            lines = [f"{name}: {mail[name]}" for name in ("To", "Subject", "Date")]
            self.stdout.write("\n".join([*lines, "", text]))
        elif link := LINK.search(text):
            self.stdout.write(link[0])
        else:
            raise CommandError("The newest mail has no link.")
