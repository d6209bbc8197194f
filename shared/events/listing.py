"""The command `listevents` of a service that records events."""

import json
from datetime import UTC, datetime
from typing import Any
from uuid import UUID

from django.core.management.base import BaseCommand, CommandParser
from django.core.serializers.json import DjangoJSONEncoder

from shared.events.pages import all_of, represent

NEWEST = 100


def moment(text: str) -> datetime:
    """The time in `text`, in UTC if it names no zone. Raises ValueError."""
    parsed = datetime.fromisoformat(text)
    return parsed if parsed.tzinfo else parsed.replace(tzinfo=UTC)


class ListEvents(BaseCommand):
    help = f"List events, the newest first: {NEWEST} of them, or all since a time."
    model: Any

    def find_user_id(self, text: str) -> UUID:
        """The id of the user that `text` identifies. Raises CommandError."""
        raise NotImplementedError

    def add_arguments(self, parser: CommandParser) -> None:
        words = "E-mail address, username or id."
        parser.add_argument("user", nargs="?", default="", help=words)
        parser.add_argument("--event", default="", help="Its name in the log.")
        parser.add_argument("--since", type=moment, help="2026-01-31T23:59 (UTC).")
        parser.add_argument("--json", action="store_true", help="Print JSON lines.")

    def handle(self, *args: Any, **options: Any) -> None:
        events = self.model.objects.select_related("personal")
        if options["user"]:
            events = events.filter(user_id=self.find_user_id(options["user"]))
        if options["event"]:
            events = events.filter(event=options["event"])
        if since := options["since"]:
            events = events.filter(at__gte=since)
        for event in all_of(events) if since else events[:NEWEST]:
            shown = {"user_id": event.user_id, **represent(event)}
            write = self.as_json if options["json"] else self.as_text
            self.stdout.write(write(shown))

    def as_json(self, event: dict[str, Any]) -> str:
        return json.dumps(event, cls=DjangoJSONEncoder)

    def as_text(self, event: dict[str, Any]) -> str:
        """Time, event, outcome, user, actor, session, network, device and data."""
        at = event["at"].isoformat(" ", "milliseconds")
        names = ("event", "outcome", "user_id", "actor", "sid", "network", "device")
        columns = [str(event[name] or "-") for name in names]
        return "  ".join([at, *columns, json.dumps(event["data"])])
