"""Errors outside DRF: problem details for programs, pages for users in the admin and on
the account pages."""

import json
import math
from collections.abc import Callable
from functools import wraps
from typing import Any

from django.contrib.admin import site
from django.http import HttpRequest, HttpResponse
from django.template.loader import render_to_string
from django.utils import translation
from django.utils.translation import gettext_lazy as _
from django.utils.translation import ngettext_lazy

from shared.api import problem_details
from shared.api.exceptions import CrossSiteRequest

Handler = Callable[..., HttpResponse]


# The text of a page by error code, in place of the detail for API clients.
TEXTS = {
    "bad_request": _(
        "The address or the form asks for something that this page does not have. If "
        "all pages say this, delete the cookies of this site."
    ),
    "cross_site_request": _(
        "The form is too old or comes from another site (CSRF). Load the page again."
    ),
    "dependency_unavailable": _("A database or service did not answer."),
    "internal_error": _("A fault of ours. The request id finds it in our logs."),
    "link_invalid": _(
        "It has been used, has expired, or is not complete. The mail has the whole "
        "address. If you have just sent the form, it may have worked."
    ),
    "method_not_allowed": _("This page does not take such requests."),
    "not_found": _("There is nothing here."),
    "overloaded": _("Too many requests at once."),
    "payload_too_large": _("The form is too large."),
    "rate_limited": _("Too many attempts."),
    "token_invalid": "This login has taken too long, or something has changed. Log in "
    "again.",
}
TITLES = {
    "bad_request": _("Bad Request"),
    "cross_site_request": _("Forbidden"),
    "dependency_unavailable": _("Service Unavailable"),
    "internal_error": _("Internal Server Error"),
    "link_invalid": _("This link does not work"),
    "method_not_allowed": _("Method Not Allowed"),
    "not_found": _("Not Found"),
    "overloaded": _("Service Unavailable"),
    "payload_too_large": _("Content Too Large"),
    "rate_limited": _("Too Many Requests"),
    "token_invalid": "This login is over",
}
UNITS = (
    (86400, ngettext_lazy("%(num)d day", "%(num)d days", "num")),
    (3600, ngettext_lazy("%(num)d hour", "%(num)d hours", "num")),
    (60, ngettext_lazy("%(num)d minute", "%(num)d minutes", "num")),
    (1, ngettext_lazy("%(num)d second", "%(num)d seconds", "num")),
)


def html_for_pages(handler: Handler) -> Handler:
    """Decorator: turn the response to a request for a page into a page. The admin's are
    in English, those of accounts in the language of the reader."""

    @wraps(handler)
    def handle(request: HttpRequest, *args: Any, **kwargs: Any) -> HttpResponse:
        response = handler(request, *args, **kwargs)
        if request.path.startswith("/admin/"):
            as_page(response, "problem.html", site_header=site.site_header)
        elif request.path.startswith("/account/"):
            with translation.override(translation.get_language_from_request(request)):
                as_page(response, "account/problem.html")
        return response

    return handle


def as_page(response: HttpResponse, template: str, **context: Any) -> None:
    """Replace the problem in a response by its page. No context processor runs: they
    query the database, which may be unavailable."""
    context |= json.loads(response.content)
    code = context["code"]
    context["detail"] = TEXTS.get(code, context["detail"])
    context["title"] = TITLES.get(code, context["title"])
    context["wait"] = waiting_time(int(response.headers.get("Retry-After", 0)))
    response.content = render_to_string(template, context)
    response["Content-Type"] = "text/html; charset=utf-8"
    response["Cache-Control"] = "no-store"


def waiting_time(seconds: int) -> str:
    """The time in the largest unit that it exceeds, rounded up. Empty for 0."""
    for size, text in UNITS:
        if seconds > size or seconds == size == 1:
            return str(text % {"num": math.ceil(seconds / size)})
    return ""


bad_request = html_for_pages(problem_details.bad_request)
permission_denied = html_for_pages(problem_details.permission_denied)
page_not_found = html_for_pages(problem_details.page_not_found)
server_error = html_for_pages(problem_details.server_error)
refusal = html_for_pages(problem_details.refusal)


def csrf_failure(request: HttpRequest, reason: str = "") -> HttpResponse:
    """Refuse a form without its CSRF token. Only the admin's forms have one."""
    problem_details.audit_refusal("authz_fail", CrossSiteRequest(), request)
    return refusal(request, CrossSiteRequest())
