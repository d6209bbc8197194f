"""Examine this service as it runs: docs/operations/checks.md."""

import sys
from operator import attrgetter
from pathlib import Path
from typing import Any

from django.core.checks import DEBUG, CheckMessage, Tags, run_checks
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections
from django.utils.module_loading import autodiscover_modules

from shared.doctor import redis_admin_password

FOUND_WRONG = 3  # exit status, as of `./manage_all.sh doctor`
FINE = CheckMessage(DEBUG, "no system check finds an error", id="checks")


class Command(BaseCommand):
    help = (
        "Examine this service and what it needs. Change nothing. "
        "Exit status 3 if something is WRONG."
    )
    # The report includes them.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        text = "Run only the system checks. They need no running service."
        parser.add_argument("--checks", action="store_true", help=text)
        text = "Also examine the configuration of Redis, with the password in a file."
        parser.add_argument("--redis-admin-password-file", type=Path, help=text)

    def handle(self, *args: Any, **options: Any) -> None:
        found = [each for each in run_checks() if not each.is_silenced()]
        found += [] if any(each.is_serious() for each in found) else [FINE]
        if path := options["redis_admin_password_file"]:
            redis_admin_password.set(path.read_text(encoding="utf-8").strip())
        if not options["checks"]:
            autodiscover_modules("diagnostics")
            ours = run_checks(tags=[Tags.database], databases=list(connections))
            found += sorted(ours, key=attrgetter("id"))
        self.stdout.write("\n".join(map(line, found)))
        if any(each.is_serious() for each in found):
            sys.exit(FOUND_WRONG)


def line(message: CheckMessage) -> str:
    """A line of the report. `./manage_all.sh doctor` reads it. A hint follows `->`."""
    verdict = "ok" if message.level == DEBUG else "note"
    verdict = "WRONG" if message.is_serious() else verdict
    text = f"{message.msg} -> {message.hint}" if message.hint else message.msg
    return f"{verdict:<5} {message.id!s:<19} {' '.join(text.split())}"
