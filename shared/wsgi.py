"""The WSGI handler that gunicorn calls: Django's, robust against bad Content-Types and
cookies, and with chunked bodies.

Django parses Content-Type before any of our code could answer with an error.
"""

import select
from io import BytesIO
from typing import Any, NoReturn

from django.core.exceptions import RequestDataTooBig
from django.core.handlers import wsgi
from django.http.multipartparser import MultiPartParserError
from django.utils.functional import cached_property
from django.utils.http import parse_header_parameters

from shared.api.negotiation import is_plain

# Bytes. Every view that reads a chunked body of this length or more refuses it.
TOO_LONG = 1024 * 1024


class Request(wsgi.WSGIRequest):
    """A request decoded as UTF-8, whatever charset its Content-Type names.

    Django would decode the query string and forms with that charset. `base64` raises,
    since it is no text encoding. `shared.api.parsers` refuses a body in another one.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        if not is_plain(meta.get("CONTENT_TYPE", "")):
            meta["CONTENT_TYPE"] = ""  # which DRF reads, too
        header = meta.get("CONTENT_TYPE", "")
        self.content_type, self.content_params = parse_header_parameters(header)

    @cached_property
    def COOKIES(self) -> dict[str, str]:  # type: ignore[override]
        """The cookies as they were sent. Python before 3.11.10 and 3.12.6 takes
        quadratic time to unquote one (CVE-2024-7592). None of ours is quoted."""
        sent = wsgi.get_str_from_wsgi(self.environ, "HTTP_COOKIE", "")
        pairs = (pair.split("=", 1) for pair in sent.split(";") if "=" in pair)
        # No other space: a browser takes "\u2003a" for another name than "a".
        return {name.strip(" \t"): value.strip(" \t") for name, value in pairs}

    def parse_file_upload(self, META: Any, post_data: Any) -> NoReturn:
        """Refuse multipart forms, whose parts have such headers. None of ours sends a
        file. Raises MultiPartParserError, which is a 400."""
        raise MultiPartParserError(
            "Send the form as application/x-www-form-urlencoded."
        )


def has_left(environ: dict[str, Any]) -> bool:
    """Whether the caller has closed the connection. No round trip."""
    connection = environ.get("gunicorn.socket")
    if connection is None:
        return False
    poll = select.poll()
    # Unlike a read, this sees the end behind an unread body.
    poll.register(connection, select.POLLRDHUP)
    return bool(poll.poll(0))


class CutBody:
    """A body of which only the beginning was read. No view may take that for all."""

    def read(self, *size: int) -> NoReturn:
        """Raises RequestDataTooBig, which is a 413."""
        raise RequestDataTooBig

    readline = read


class Handler(wsgi.WSGIHandler):
    """The application of a service, once Django is set up."""

    request_class = Request
    done_late: tuple[str, ...] = ()  # paths of what is done though its caller has left

    def __call__(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Read a chunked body, as the gateway does: Django and DRF take a body without
        a length for none.

        No view gets a request that the caller gave up while it waited for a thread,
        but those of `done_late`."""
        path = environ.get("PATH_INFO", "").rstrip("/")
        if has_left(environ) and path not in self.done_late:
            start_response("503 Service Unavailable", [("Content-Length", "0")])
            return []
        if "HTTP_TRANSFER_ENCODING" in environ:
            body = environ["wsgi.input"].read(TOO_LONG)
            is_cut = len(body) == TOO_LONG
            environ["wsgi.input"] = CutBody() if is_cut else BytesIO(body)
            environ["CONTENT_LENGTH"] = str(len(body))
        return super().__call__(environ, start_response)
