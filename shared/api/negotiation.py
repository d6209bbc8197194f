"""Content negotiation: the parser of a request and the renderer of its response."""

from collections.abc import Iterable
from typing import Any

from rest_framework.negotiation import DefaultContentNegotiation
from rest_framework.parsers import BaseParser
from rest_framework.renderers import BaseRenderer
from rest_framework.request import Request

JSON = "application/json"
PROBLEM = "application/problem+json"
LONGEST = 256  # characters of a media type with its parameters


def is_plain(media_type: str) -> bool:
    """Whether it may be parsed. Python's parser of parameters in the form of RFC 2231
    (`x*=utf-8''y`) may raise any error, and keeps every charset that a client names. It
    takes quadratic time. No type of ours has such parameters."""
    return "*" not in media_type.partition(";")[2] and len(media_type) <= LONGEST


def is_problem(media_type: str) -> bool:
    """Whether it is that of problems, which are JSON (RFC 9457)."""
    return media_type.partition(";")[0].strip().lower() == PROBLEM


class JSONNegotiation(DefaultContentNegotiation):
    """A short cut for plain JSON, which nearly all clients send and accept. For the
    others DRF parses media types and ranges (RFC 9110 section 12.5.1)."""

    def select_parser(self, request: Request, parsers: Iterable[BaseParser]) -> Any:
        first = next(iter(parsers))
        if request.content_type == JSON == first.media_type:
            return first
        # A Content-Type is a type, never a range. DRF would take `*/*` for JSON.
        if "*" in request.content_type:
            return None
        return super().select_parser(request, parsers)

    def get_accept_list(self, request: Request) -> list[str]:
        """A client that takes problems takes JSON: generated clients ask for problems
        alone where a success has no body. As a range, so that a named type goes first.
        """
        plain = filter(is_plain, super().get_accept_list(request))
        return ["application/*" if is_problem(each) else each for each in plain]

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
