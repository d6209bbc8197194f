"""The WSGI handler that gunicorn calls: Django's, robust against bad Content-Types.

Django parses that header before any of our code could answer with an error.
"""

from typing import Any

from django.core.handlers import wsgi
from django.utils.http import parse_header_parameters


class Request(wsgi.WSGIRequest):
    """A request decoded as UTF-8, whatever charset its Content-Type names.

    Django would decode the query string and forms with that charset. Some names raise:
    `base64`, which is no text encoding, and an unknown charset in the form of RFC 2231.
    `shared.api.parsers` refuses a body in another charset.
    """

    def _set_content_type_params(self, meta: dict[str, Any]) -> None:
        header = meta.get("CONTENT_TYPE", "")
        try:
            self.content_type, self.content_params = parse_header_parameters(header)
        except ValueError:
            self.content_type, self.content_params = "", {}


class Handler(wsgi.WSGIHandler):
    """The application of a service, once Django is set up."""

    request_class = Request
