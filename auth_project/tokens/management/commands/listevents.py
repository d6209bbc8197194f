"""Show what happened to sessions and keys."""

from uuid import UUID

from shared.events.listing import ListEvents
from tokens.management.base import find_user_id
from tokens.models import Event


class Command(ListEvents):
    model = Event

    def find_user_id(self, text: str) -> UUID:
        return find_user_id(text)
