"""What a driver saw of an answer, whichever way it drives the system."""

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Seen:
    """`cookie` is the refresh token that was set, "" where it was cleared, None where
    it was left alone; `audit` None where it is not read."""

    status: int
    code: str | None
    body: Any
    cookie: str | None = None
    max_age: int | None = None
    audit: tuple[str, ...] | None = None
