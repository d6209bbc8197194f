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
        found = list(system_checks())
        if path := options["redis_admin_password_file"]:
            redis_admin_password.set(path.read_text(encoding="utf-8").strip())
        if not options["checks"]:
            found += diagnostics()
        lines = [json.dumps(found)] if options["json"] else map(line, found)
        self.stdout.write("\n".join(lines))
        if any(finding["verdict"] == "WRONG" for finding in found):
            sys.exit(FOUND_WRONG)


def system_checks() -> Iterator[dict[str, str]]:
    """What the system checks of every command find."""
    messages = [each for each in run_checks() if not each.is_silenced()]
    yield from (finding(str(each.id), each.msg, each) for each in messages)
    if not any(each.is_serious() for each in messages):
        yield finding("checks", "no system check finds an error")


def diagnostics() -> Iterator[dict[str, str]]:
    """A finding for every diagnostic of the installed apps."""
    autodiscover_modules("diagnostics")
    messages = run_checks(tags=[Tags.database], databases=list(connections))
    found = {each.id: each for each in messages}
    for identity, statement in STATEMENTS.items():
        message = found.get(identity)
        yield finding(identity, message.msg if message else statement, message)


def finding(
    identity: str, text: str, message: CheckMessage | None = None
) -> dict[str, str]:
    verdict = "ok" if not message else "WRONG" if message.is_serious() else "note"
    advice = message.hint or "" if message else ""
    return {"id": identity, "verdict": verdict, "text": text, "advice": advice}


def line(found: dict[str, str]) -> str:
    """A finding as a line; what to do follows the arrow."""
    advice = f" -> {found['advice']}" if found["advice"] else ""
    return f"{found['verdict']:<5} {found['id']:<20} {found['text']}{advice}"
