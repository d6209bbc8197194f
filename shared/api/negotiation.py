"""Which representation is read, and which is answered with."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

JSON = "application/json"


class JSONNegotiation(DefaultContentNegotiation):
    """DRF's, which takes media types and ranges apart (RFC 9110 section 12.5.1), if a
    client sends any. Nearly all clients send plain JSON and accept everything."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> Any:
        first = next(iter(parsers))
        if request.content_type == JSON == first.media_type:
            return first
        # What a body is, is a type and no range of them: DRF would take `*/*` for JSON.
        if "*" in request.content_type:
            return None
        return super().select_parser(request, parsers)

    def select_renderer(
        self,
        request: Request,
        renderers: Iterable[BaseRenderer],
        format_suffix: str | None = None,
    ) -> Any:
        first = next(iter(renderers))
        accepted = request.META.get("HTTP_ACCEPT", "*/*")
        if accepted in ("*/*", JSON) and first.media_type == JSON:
            return first, JSON
        return super().select_renderer(request, renderers, format_suffix)
