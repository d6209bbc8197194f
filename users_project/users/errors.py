"""Errors outside DRF: problem details for programs, pages for users in the admin."""

import json
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string

from shared.api import problem_details

Handler = Callable[..., HttpResponse]


def html_for_admin(handler: Handler) -> Handler:
    """The same answer as a page, where it is the admin that was asked."""

    @wraps(handler)
    def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = handler(request, *args, **kwargs)
        if request.path.startswith("/admin/"):
            # No context processors: they ask the database, which may be unavailable.
            problem = json.loads(response.content)
            response.content = render_to_string("problem.html", problem)
            response["Content-Type"] = "text/html; charset=utf-8"
        return response

    return handle


bad_request = html_for_admin(problem_details.bad_request)
permission_denied = html_for_admin(problem_details.permission_denied)
page_not_found = html_for_admin(problem_details.page_not_found)
server_error = html_for_admin(problem_details.server_error)
refusal = html_for_admin(problem_details.refusal)
