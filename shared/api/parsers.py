"""Parsers of request bodies: JSON (RFC 8259) and, for one standard, forms. UTF-8 only,
and strict where two lenient readers could disagree about a body."""

import json
import re
from collections.abc import Mapping
from typing import IO, Any, NoReturn
from urllib.parse import unquote_plus

from django.conf import settings
from rest_framework.exceptions import ParseError, UnsupportedMediaType
from rest_framework.parsers import BaseParser
from rest_framework.utils.mediatypes import _MediaType

from shared.api.exceptions import FormInvalid, PayloadTooLarge

MOST_LEVELS = 100
# `%` without two hexadecimal digits: Python's decoder would leave it as it is.
BROKEN_ESCAPE = re.compile(r"%(?![0-9A-Fa-f]{2})")


class StrictJSONParser(BaseParser):
    """Refuses duplicate keys, NaN, other charsets and nesting that exhausts the stack.

    Raises ParseError (400), UnsupportedMediaType (415), PayloadTooLarge (413).
    """

    media_type = "application/json"
    limit: int | None = None  # bytes; for a view with a limit of its own

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> Any:
        check_charset(media_type)
        try:
            text = read(stream, self.limit).decode("utf-8")
            value = json.loads(
                text, object_pairs_hook=unique, parse_constant=refuse_constant
            )
            refuse_surrogates(text, value)
            refuse_levels(text, value)
        # RecursionError: five kilobytes of `[` are enough (seen with DRF's parser).
        except (ValueError, RecursionError) as exc:
            raise ParseError("The body is not valid JSON.") from exc
        return value


class StrictFormParser(BaseParser):
    """Forms, for standards that ask for them (RFC 6749 appendix B): no file, no field
    sent twice (section 3.2), no broken escape.

    Raises FormInvalid (400), UnsupportedMediaType (415), PayloadTooLarge (413).
    """

    media_type = "application/x-www-form-urlencoded"
    malformed = FormInvalid.default_code  # for the OpenAPI document

    def parse(
        self,
        stream: IO[Any],
        media_type: str | None = None,
        parser_context: Mapping[str, Any] | None = None,
    ) -> dict[str, str]:
        check_charset(media_type)
        try:
            return unique(form_fields(read(stream).decode("ascii")))
        except ValueError as exc:
            raise FormInvalid from exc


def check_charset(media_type: str | None) -> None:
    """Raise UnsupportedMediaType for a charset other than UTF-8."""
    if media_type == StrictJSONParser.media_type:  # the usual case, without a charset
        return
    charset = _MediaType(media_type or "").params.get("charset", "utf-8")
    if charset.lower() not in ("utf-8", "utf8"):
        raise UnsupportedMediaType(media_type or "")


def form_decode(text: str) -> str:
    """Decode form-urlencoded text. Raises ValueError for broken escapes and UTF-8."""
    if BROKEN_ESCAPE.search(text):
        raise ValueError("broken escape")
    return unquote_plus(text, errors="strict")


def form_fields(text: str) -> list[tuple[str, str]]:
    """Names and values of a form. Raises ValueError."""
    fields = [field.partition("=") for field in text.split("&") if text]
    if not all(name and separator for name, separator, _ in fields):
        raise ValueError("no name, or no value")
    return [(form_decode(name), form_decode(value)) for name, _, value in fields]


def read(stream: IO[Any], most: int | None = None) -> bytes:
    """The body, or PayloadTooLarge. Never buffers more than the limit."""
    limit = most or settings.DATA_UPLOAD_MAX_MEMORY_SIZE
    body: bytes = stream.read(limit + 1)
    if len(body) > limit:
        raise PayloadTooLarge
    return body


def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    """An object. Refuses duplicate keys: a proxy may read the first, we the last."""
    result = dict(pairs)
    if len(result) != len(pairs):
        raise ValueError("duplicate key")
    return result


def refuse_constant(name: str) -> NoReturn:
    """NaN and Infinity are Python's JSON, not the standard's (RFC 8259 section 6)."""
    raise ValueError(name)


def refuse_levels(text: str, value: Any) -> None:
    """Raise ValueError for more levels than any body of ours has. A field that quotes
    its value in an error would need more than Python's stack."""
    if text.count("[") + text.count("{") > MOST_LEVELS and not is_flat(value):
        raise ValueError("too many levels")


def is_flat(
    value: Any, levels: int = MOST_LEVELS, refused: tuple[type, ...] = ()
) -> bool:
    """Whether it has no more levels, and in none a value of a `refused` type."""
    if not isinstance(value, dict | list):
        return not isinstance(value, refused)
    members = value.values() if isinstance(value, dict) else value
    return levels > 0 and all(is_flat(each, levels - 1, refused) for each in members)


def refuse_surrogates(text: str, value: Any) -> None:
    """Raise ValueError for a lone surrogate, which only an escape can write (RFC 7493
    section 2.1). An error that quotes one could not be encoded."""
    if "\\ud" in text.lower():
        json.dumps(value, ensure_ascii=False).encode()
