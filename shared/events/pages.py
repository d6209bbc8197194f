"""Pages of events, newest first, of one service or of several together."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from shared.devices import device

PAGE = 50
MOST = 1000  # rows of one statement, or of one answer


@dataclass(frozen=True)
class EventPage:
    """Events, and the `before` of the next page, or None if there is no next page."""

    events: list[dict[str, Any]]
    next: datetime | None = None


def page_of(events: Any, before: datetime | None = None, size: int = PAGE) -> EventPage:
    """The newest events of this QuerySet before a time. Events of the same time are not
    split: those with the time of the first omitted event are omitted too."""
    if before is not None:
        events = events.filter(at__lt=before)
    found = list(events.select_related("personal")[: size + 1])
    if len(found) <= size:
        return EventPage([*map(represent, found)])
    kept = [event for event in found if event.at > found[-1].at]
    return EventPage([*map(represent, kept)], kept[-1].at)


def all_of(events: QuerySet[Any]) -> Iterator[Any]:
    """Events of any number, in their order, by short statements. `iterator` would have
    PostgreSQL join and copy them all before the first."""
    found = list(events[:MOST])
    while found:
        yield from found
        last = found[-1]
        if len(found) < MOST:
            return
        # `at__lte` follows from the rest. With OR alone PostgreSQL would read an index
        # from its beginning.
        following = Q(at__lt=last.at) | Q(at=last.at, id__lt=last.pk)
        found = list(events.filter(following, at__lte=last.at)[:MOST])


def merge(*pages: EventPage) -> EventPage:
    """Merge pages into one that goes back as far as all of them are complete."""
    complete = [page.next for page in pages if page.next]
    events = [event for page in pages for event in page.events]
    oldest = max(complete, default=None)
    if oldest:
        events = [event for event in events if event["at"] >= oldest]
    events.sort(key=lambda event: event["at"], reverse=True)
    return EventPage(events, oldest)


def represent(event: Any) -> dict[str, Any]:
    """An event as `ReportedEventSerializer` describes it."""
    personal = getattr(event, "personal", None)
    agent = personal and personal.user_agent
    names = ("at", "event", "outcome", "actor", "sid", "request_id", "data")
    return {
        **{name: getattr(event, name) for name in names},
        "network": (personal and personal.network) or None,
        "device": device(agent) if agent else None,
    }


def from_json(events: Iterable[dict[str, Any]], before: str | None) -> EventPage:
    """A page from the answer of another service."""
    parsed = [{**event, "at": datetime.fromisoformat(event["at"])} for event in events]
    return EventPage(parsed, datetime.fromisoformat(before) if before else None)


@extend_schema_field(OpenApiTypes.STR)
class CursorField(serializers.DateTimeField):
    """A time with microseconds, described as an opaque string: a client that made it a
    date with milliseconds would miss events."""


class EventQuerySerializer(serializers.Serializer[None]):
    """The query of a page of events."""

    before = CursorField(
        required=False,
        help_text="The `next` of the previous page. Opaque: send it back as it is.",
    )


class ReportedQuerySerializer(EventQuerySerializer):
    event = serializers.CharField(
        default="", allow_blank=True, max_length=40, help_text="Events of this name."
    )


class EventSerializer(serializers.Serializer[None]):
    """An event, as the user whom it is about may see it."""

    at = serializers.DateTimeField()
    event = serializers.CharField(help_text="A name from the catalogue of events.")
    outcome = serializers.CharField()
    actor = serializers.CharField(help_text="`user`, `operator`, `service`, `system`.")
    sid = serializers.UUIDField(allow_null=True, help_text="The id of the session.")
    network = serializers.CharField(
        allow_null=True, help_text="The user's: IPv4 /24, IPv6 /48. Kept 90 days."
    )
    device = serializers.CharField(
        allow_null=True, help_text="Such as `Firefox on Linux`. Kept 90 days."
    )


class EventPageSerializer(serializers.Serializer[None]):
    events = EventSerializer(many=True)
    next = CursorField(
        allow_null=True,
        help_text="The `before` of the next page. Null on the last. Opaque: send it "
        "back as it is.",
    )


class ReportedEventSerializer(EventSerializer):
    """An event, for operators. `actor` is also `operator:<id>` or `service:<name>`."""

    request_id = serializers.CharField()
    data: Any = serializers.DictField(help_text="Details, by the catalogue of events.")


class ReportedPageSerializer(EventPageSerializer):
    events = ReportedEventSerializer(many=True)
