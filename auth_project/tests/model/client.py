"""Requests to the views of this process, and what was seen of the answers."""

import logging
from typing import Any

from django.conf import settings
from rest_framework.test import APIClient

from .seen import Seen


class ViewsClient:
    def __init__(self) -> None:
        self.client = APIClient()
        self.events: list[str] = []

    def key(self) -> dict[str, str]:
        return {"X-Internal-Api-Key": dict(settings.INTERNAL_API_KEYS)["users"]}

    def post(
        self, path: str, body: Any = None, cookies: tuple[str, ...] = (), **more: str
    ) -> Seen:
        if cookies:
            more["Cookie"] = "; ".join(f"refresh_token={each}" for each in cookies)
        return self.send("post", path, body, **more)

    def send(self, method: str, path: str, body: Any = None, **headers: str) -> Seen:
        self.client.cookies.clear()
        call = getattr(self.client, method)
        return self.seen(call(f"/api/v1/auth/{path}", body, headers=headers))

    def seen(self, response: Any) -> Seen:
        body = response.json() if response.content else None
        morsel = response.cookies.get("refresh_token")
        return Seen(
            status=response.status_code,
            code=body.get("code") if isinstance(body, dict) else None,
            body=body,
            cookie=None if morsel is None else morsel.value,
            max_age=None if morsel is None else int(morsel["max-age"]),
            audit=self.taken(),
        )

    def taken(self) -> tuple[str, ...]:
        """Audit events since the last answer."""
        events = tuple(self.events)
        self.events.clear()
        return events


class Listener(logging.Handler):
    def __init__(self, events: list[str]) -> None:
        super().__init__()
        self.events = events

    def emit(self, record: logging.LogRecord) -> None:
        self.events.append(record.event)  # type: ignore[attr-defined]


def bearer(access: str) -> str:
    return f"Bearer {access}"
