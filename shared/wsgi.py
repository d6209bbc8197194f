"""The WSGI handler that gunicorn calls: Django's, robust against bad Content-Types.

Django parses that header before any of our code could answer with an error.
"""

from typing import Any, NoReturn

from django.core.handlers import wsgi
from django.http.multipartparser import MultiPartParserError
from django.utils.http import parse_header_parameters

from shared.api.negotiation import is_plain


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

    def parse_file_upload(self, META: Any, post_data: Any) -> NoReturn:
        """Refuse multipart forms, whose parts have such headers. None of ours sends a
        file. Raises MultiPartParserError, which is a 400."""
        raise MultiPartParserError(
            "Send the form as application/x-www-form-urlencoded."
        )


class Handler(wsgi.WSGIHandler):
    """The application of a service, once Django is set up."""

    request_class = Request
