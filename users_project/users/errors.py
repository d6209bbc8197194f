"""Errors outside DRF: problem details for programs, pages for users in the admin."""

import json
import math
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin import site
from django.http import HttpRequest, HttpResponse
from django.template.defaultfilters import pluralize
from django.template.loader import render_to_string

from shared.api import problem_details
from shared.api.exceptions import CrossSiteRequest

Handler = Callable[..., HttpResponse]


# By code, what a page says instead of what an API's client has to know.
TEXTS = {
    "bad_request": "The address or the form asks for something that this page does not "
    "have.",
    "cross_site_request": "The form is too old or comes from another site (CSRF). Load "
    "the page again.",
    "dependency_unavailable": "A database or service did not answer.",
    "overloaded": "Too many requests at once.",
    "rate_limited": "Too many attempts.",
}


def html_for_admin(handler: Handler) -> Handler:
    """The same answer as a page, where it is the admin that was asked."""

    @wraps(handler)
    def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = handler(request, *args, **kwargs)
        if request.path.startswith("/admin/"):
            # No context processors: they ask the database, which may be unavailable.
            problem = json.loads(response.content)
            problem["detail"] = TEXTS.get(problem["code"], problem["detail"])
            wait = waiting_time(int(response.headers.get("Retry-After", 0)))
            page = problem | {"wait": wait, "site_header": site.site_header}
            response.content = render_to_string("problem.html", page)
            response["Content-Type"] = "text/html; charset=utf-8"
        return response

    return handle


def waiting_time(seconds: int) -> str:
    """In the largest unit of which it is more than one, rounded up; nothing for 0."""
    for size, unit in ((86400, "day"), (3600, "hour"), (60, "minute"), (1, "second")):
        if seconds > size or seconds == size == 1:
            count = math.ceil(seconds / size)
            return f"{count} {unit}{pluralize(count)}"
    return ""


bad_request = html_for_admin(problem_details.bad_request)
permission_denied = html_for_admin(problem_details.permission_denied)
page_not_found = html_for_admin(problem_details.page_not_found)
server_error = html_for_admin(problem_details.server_error)
refusal = html_for_admin(problem_details.refusal)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """A form of the admin without its token. Nothing else asks for one."""
    problem_details.audit_refusal("authz_fail", CrossSiteRequest(), request)
    return refusal(request, CrossSiteRequest())
