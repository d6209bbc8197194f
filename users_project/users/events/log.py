"""Security events: recorded in the transaction of what they report."""

from typing import Any
from uuid import UUID

from shared.structured_logging import audit


def record(event: str, user_id: UUID | None, **data: Any) -> None:
    """Record an event of the catalogue in docs/logging.md."""
    audit(event, user_id=user_id and str(user_id), **data)
