"""Make Redis agree with another database: docs/operations/backup.md."""

from typing import Any

from django.core.management.base import BaseCommand

from shared.auth import session_state


class Command(BaseCommand):
    help = (
        "After a restore: delete what Redis knows of sessions, so that it is read from "
        "the database again. The services must not run."
    )

    def handle(self, *args: Any, **options: Any) -> None:
        self.stdout.write(f"Redis knew {session_state.forget_all()} sessions.")
