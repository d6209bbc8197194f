"""The two tables of events."""

from shared.events.models import EventModel, PersonalModel


class Event(EventModel):
    """What happened to an account."""


class EventPersonal(PersonalModel):
    """Where an event came from."""
