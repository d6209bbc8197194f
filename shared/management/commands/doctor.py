"""Examine this service as it runs: docs/operations/checks.md."""

import json
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from django.core.checks import CheckMessage, Tags, run_checks
from django.core.management.base import BaseCommand, CommandParser
from django.db import connections
from django.utils.module_loading import autodiscover_modules

from shared.doctor import STATEMENTS, redis_admin_password

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
        findings = list(static())
        if not options["checks"]:
            if path := options["redis_admin_password_file"]:
                redis_admin_password.set(path.read_text(encoding="utf-8").strip())
            findings += live()
        lines = [json.dumps(findings)] if options["json"] else map(line, findings)
        for text in lines:
            self.stdout.write(text)
        if any(finding["verdict"] == "WRONG" for finding in findings):
            sys.exit(FOUND_WRONG)


def static() -> Iterator[dict[str, str]]:
    """What the system checks of every command find."""
    found = [finding(each) for each in run_checks() if not each.is_silenced()]
    yield from found
    if not any(each["verdict"] == "WRONG" for each in found):
        text = "no system check finds an error"
        yield {"id": "checks", "verdict": "ok", "text": text, "advice": ""}


def live() -> Iterator[dict[str, str]]:
    """What the diagnostics find, and a line for each that finds nothing."""
    autodiscover_modules("diagnostics")
    messages = run_checks(tags=[Tags.database], databases=list(connections))
    found = {each.id: finding(each) for each in messages}
    for identity, statement in STATEMENTS.items():
        healthy = {"id": identity, "verdict": "ok", "text": statement, "advice": ""}
        yield found.get(identity, healthy)


def finding(message: CheckMessage) -> dict[str, str]:
    verdict = "WRONG" if message.is_serious() else "note"
    identity, advice = str(message.id), message.hint or ""
    return {"id": identity, "verdict": verdict, "text": message.msg, "advice": advice}


def line(found: dict[str, str]) -> str:
    """A finding as a line; what to do follows the arrow."""
    advice = f" -> {found['advice']}" if found["advice"] else ""
    return f"{found['verdict']:<5} {found['id']:<20} {found['text']}{advice}"
