from typing import Any

from django.core.management.base import BaseCommand, CommandError, CommandParser

from users.mail import folder


class Command(BaseCommand):
    help = "Print the newest mail that development wrote to a file, or only its link."

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--link", action="store_true", help="Only its link.")

    def handle(self, *args: Any, **options: Any) -> None:
        mail = folder.newest()
        if mail is None:
            raise CommandError("There is no mail. With MAIL_URL, no mail is a file.")
        if not options["link"]:
            lines = [f"{name}: {mail[name]}" for name in ("To", "Subject", "Date")]
            self.stdout.write("\n".join([*lines, "", folder.text_of(mail)]))
        elif link := folder.link_of(mail):
            self.stdout.write(link)
        else:
            raise CommandError("The newest mail has no link.")
