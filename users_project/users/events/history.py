"""A user's events: those of the User Service and of the Auth Service together."""

from collections.abc import Iterator
from datetime import datetime
from heapq import merge as merge_sorted
from operator import itemgetter
from typing import Any
from uuid import UUID

from shared.clients import auth_client
from shared.events.pages import EventPage, all_of, merge, page_of, represent
from users.events.models import Event

PUBLIC = ("at", "event", "outcome", "sid")


def events_of(
    user_id: UUID, before: datetime | None = None, event: str = ""
) -> EventPage:
    """A page of the user's events, or of those of one name. Raises Unavailable: without
    the events of auth, the page would silently lack all logins."""
    own = Event.objects.filter(user_id=user_id)
    if event:
        own = own.filter(event=event)
    return merge(page_of(own, before), auth_client().events(user_id, before, event))


def all_events_of(user_id: UUID) -> Iterator[dict[str, Any]]:
    """All events of the user, the newest first. Raises Unavailable."""
    own = Event.objects.filter(user_id=user_id).select_related("personal")
    both = auth_client().all_events(user_id), map(represent, all_of(own))
    return merge_sorted(*both, key=itemgetter("at"), reverse=True)


def last_login(user_id: UUID) -> dict[str, Any] | None:
    """The event of the last successful login on record. Raises Unavailable."""
    page = events_of(user_id, event="authn_login_success")
    return next(iter(page.events), None)


def public(event: dict[str, Any]) -> dict[str, Any]:
    """The members that the user may see. They do not identify an operator."""
    kind = event["actor"].partition(":")[0]
    where = {name: event[name] for name in ("network", "device")}
    return {
        **{name: event[name] for name in PUBLIC},
        "actor": kind,
        **(where if kind == "user" else dict.fromkeys(where)),
    }
