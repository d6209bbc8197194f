"""Examine this service as it runs: docs/operations/checks.md."""

import json
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


class Command(BaseCommand):
    help = "Examine this service and what it needs. Changes nothing. 3: WRONG"
    # The report has them.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="For programs.")
        parser.add_argument(
            "--checks", action="store_true", help="Only what needs no running service."
        )
        parser.add_argument(
            "--redis-admin-password-file",
            type=Path,
            help="Ask Redis as its administrator, too.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        messages = [each for each in run_checks() if not each.is_silenced()]
        if not any(each.is_serious() for each in messages):
            fine = "no system check finds an error"
            messages.append(CheckMessage(DEBUG, fine, id="checks"))
        if path := options["redis_admin_password_file"]:
            redis_admin_password.set(path.read_text(encoding="utf-8").strip())
        if not options["checks"]:
            autodiscover_modules("diagnostics")
            ours = run_checks(tags=[Tags.database], databases=list(connections))
            messages += sorted(ours, key=attrgetter("id"))
        found = [finding(each) for each in messages]
        lines = [json.dumps(found)] if options["json"] else map(line, found)
        self.stdout.write("\n".join(lines))
        if any(each.is_serious() for each in messages):
            sys.exit(FOUND_WRONG)


def finding(message: CheckMessage) -> dict[str, str]:
    good = "ok" if message.level == DEBUG else "note"
    verdict = "WRONG" if message.is_serious() else good
    advice = message.hint or ""
    text = {"text": message.msg, "advice": advice}
    return {"id": str(message.id), "verdict": verdict} | text


def line(found: dict[str, str]) -> str:
    """A finding as a line; what to do follows the arrow."""
    advice = f" -> {found['advice']}" if found["advice"] else ""
    return f"{found['verdict']:<5} {found['id']:<20} {found['text']}{advice}"
