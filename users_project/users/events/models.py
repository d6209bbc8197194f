"""The two tables of events."""

from shared.events import EventModel, PersonalModel


class Event(EventModel):
    """What happened to an account."""


class EventPersonal(PersonalModel):
    """Where an event came from."""
