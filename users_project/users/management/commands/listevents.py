from uuid import UUID

from shared.events.listing import ListEvents
from users.management.base import find
from users.models import Event


class Command(ListEvents):
    model = Event

    def find_user_id(self, text: str) -> UUID:
        user_id: UUID = find(text).pk
        return user_id
