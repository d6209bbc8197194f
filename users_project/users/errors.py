"""Errors outside DRF: problem details for programs, pages for people in the admin."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from shared import problems

Handler = Callable[..., HttpResponse]


def for_people(handler: Handler) -> Handler:
    """The same answer as a page, where it is the admin that was asked."""

    @wraps(handler)
    def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = handler(request, *args, **kwargs)
        if request.path.startswith("/admin/"):
            # Without context processors: they ask the database, which may be away.
            problem = json.loads(response.content)
            response.content = render_to_string("problem.html", problem)
            response["Content-Type"] = "text/html; charset=utf-8"
        return response

    return handle


bad_request = for_people(problems.bad_request)
permission_denied = for_people(problems.permission_denied)
page_not_found = for_people(problems.page_not_found)
server_error = for_people(problems.server_error)
refusal = for_people(problems.refusal)
