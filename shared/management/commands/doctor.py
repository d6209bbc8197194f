"""What is wrong with this service as it runs: docs/doctor.md."""

import json
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

from django.core.management.base import BaseCommand, CommandParser

from shared import doctor

FOUND_WRONG = 3  # exit status, as of `./manage_all.sh doctor`


class Command(BaseCommand):
    help = "Probe this service and what it needs; changes nothing. Exit status 3: WRONG"
    # They are among what is reported.
    requires_system_checks = []

    def add_arguments(self, parser: CommandParser) -> None:
        parser.add_argument("--json", action="store_true", help="For programs.")
        parser.add_argument(
            "--checks", action="store_true", help="System checks alone: nothing runs."
        )
        parser.add_argument(
            "--redis-admin-password-file",
            type=Path,
            help="What a service may not ask Redis for, its administrator may.",
        )

    def handle(self, *args: Any, **options: Any) -> None:
        path = options["redis_admin_password_file"]
        password = path.read_text(encoding="utf-8").strip() if path else ""
        context = doctor.Context(redis_admin_password=password)
        look = doctor.checked() if options["checks"] else doctor.examine(context)
        findings = list(look)
        if options["json"]:
            self.stdout.write(json.dumps([asdict(finding) for finding in findings]))
        else:
            for finding in findings:
                self.stdout.write(line(finding))
        if any(finding.verdict == doctor.WRONG for finding in findings):
            sys.exit(FOUND_WRONG)


def line(finding: doctor.Finding) -> str:
    """One finding for people; what to do follows the arrow."""
    advice = f" -> {finding.advice}" if finding.advice else ""
    return f"{finding.verdict:<5} {finding.id:<20} {finding.text}{advice}"
