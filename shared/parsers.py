"""JSON in: RFC 8259, UTF-8, and strict where leniency would let two readers differ."""

import json
from collections.abc import Mapping
from typing import IO, Any, NoReturn

from django.conf import settings
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.utils.mediatypes import _MediaType

from shared.exceptions import PayloadTooLarge


class StrictJSONParser(BaseParser):
    """Refuses twin keys, NaN, other charsets and nesting that would exhaust the stack.

    Raises ParseError (400), UnsupportedMediaType (415), PayloadTooLarge (413).
    """

    media_type = "application/json"

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        charset = _MediaType(media_type or "").params.get("charset", "utf-8")
        if charset.lower() not in ("utf-8", "utf8"):
            raise UnsupportedMediaType(media_type or "")
        try:
            text = read(stream).decode("utf-8")
            value = json.loads(
                text, object_pairs_hook=unique, parse_constant=refuse_constant
            )
            refuse_surrogates(text, value)
        # RecursionError: five kilobytes of `[` are enough (seen with DRF's parser).
        except (ValueError, RecursionError) as exc:
            raise ParseError("The body is not valid JSON.") from exc
        return value


def read(stream: IO[Any]) -> bytes:
    """The body, or PayloadTooLarge. Never buffers more than the limit."""
    limit: int = settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise PayloadTooLarge
    return body


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object without twin keys: else a proxy may read the first and we the last."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result


def refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are Python's JSON, not the standard's (RFC 8259 section 6)."""
    raise ValueError(name)


def refuse_surrogates(text: str, value: Any) -> None:
    """Half a character, which only an escape can write (RFC 7493 section 2.1): no text
    that holds one can be encoded, so an error that quotes it could not be sent."""
    if "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode()
