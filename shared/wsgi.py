"""What gunicorn calls: Django's handler, made safe against a bad Content-Type.

Django reads that header before any of our code could answer with an error.
"""

from typing import Any

from django.core.handlers import wsgi
from django.utils.http import parse_header_parameters


class Request(wsgi.WSGIRequest):
    """All text in a request is UTF-8, whatever charset the Content-Type names.

    Django would decode query string and form by that charset, and some names make this
    raise: `base64`, which encodes no text; any in RFC 2231's form that no codec has.
    The parsers refuse a body in another charset (`shared.api.parsers`).
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
