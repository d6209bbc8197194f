"""RFC 9457 problem details: how every error leaves a service."""

import sys
from http import HTTPStatus
from typing import Any

import psycopg
from django.core.exceptions import RequestDataTooBig
from django.db import InterfaceError, OperationalError
from django.http import Http404, HttpRequest, HttpResponse, JsonResponse
from redis.exceptions import RedisError
from rest_framework import exceptions as drf
from rest_framework.renderers import JSONRenderer
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.client_ip import client_address
from shared.api.exceptions import (
    CODES,
    DependencyUnavailable,
    Forbidden,
    PayloadTooLarge,
    TokenMissing,
    Unavailable,
    error_headers,
)
from shared.api.negotiation import JSON, PROBLEM
from shared.keys.signing_keys import KeyFault
from shared.structured_logging import audit, dependency_logger, request_id

# PostgreSQL or Redis does not answer in time, or a pool has no free connection. These
# are raised anywhere, middleware included, and are not bugs.
UNAVAILABLE = (OperationalError, InterfaceError, psycopg.OperationalError, RedisError)
# What frameworks and drivers raise, as errors of ours. Order matters: first match.
TRANSLATIONS: tuple[tuple[Any, type[drf.APIException]], ...] = (
    (Http404, drf.NotFound),
    (drf.NotAuthenticated, TokenMissing),
    (drf.PermissionDenied, Forbidden),
    (RequestDataTooBig, PayloadTooLarge),
    (UNAVAILABLE, DependencyUnavailable),
    # Missing keys are not a fault of the token that they should have verified.
    (KeyFault, DependencyUnavailable),
)

# Titles are the phrases of RFC 9110; older versions of Python have older ones.
TITLES = {413: "Content Too Large", 414: "URI Too Long"}

# DRF's codes, and ours for them.
ALIASES = {
    "parse_error": "invalid_json",
    "invalid": "validation_error",
    "authentication_failed": "token_invalid",
    "throttled": "rate_limited",
    "error": "internal_error",
}


def exception_handler(exc: Exception, context: dict[str, Any]) -> Response | None:
    """DRF's EXCEPTION_HANDLER. An unknown exception stays a 500 (handler500)."""
    known = translate(exc)
    if known is None:
        return None
    if known is not exc and known.status_code >= 500:
        known.__cause__ = exc
        # Not its message, which may hold data.
        text = type(exc).__name__
        dependency_logger.error("%s", text, extra={"event": "dependency"})
    event, request = getattr(known, "audit_event", ""), context.get("request")
    if event and request is not None:
        audit_refusal(event, known, request)
    content, accept = problem_of(known), accepted(known, context.get("view"))
    if accept:
        content["detail"] = f"Send {accept['Accept']}, in UTF-8."
    if request is not None:  # a page's view has no renderer for problems
        request.accepted_renderer, request.accepted_media_type = JSONRenderer(), JSON
    return Response(
        content,
        status=known.status_code,
        headers=error_headers(known) | accept,
        content_type=PROBLEM,
    )


def audit_refusal(
    event: str, exc: drf.APIException, request: Request | HttpRequest
) -> None:
    """Audit the refused caller and the route's template, never a key or a token."""
    match = request.resolver_match
    audit(
        event,
        code=exc.default_code,
        route=match and match.route,
        caller=getattr(request, "caller", None),
        ip=client_address(request),
    )


def accepted(exc: drf.APIException, view: Any) -> dict[str, str]:
    """The Accept header of a 415: what the view accepts (RFC 9110 section 15.5.16)."""
    if exc.status_code != 415:
        return {}
    parsers = getattr(view, "parser_classes", ())
    types = ", ".join(parser.media_type for parser in parsers)
    return {"Accept": types} if types else {}


def translate(exc: Exception) -> drf.APIException | None:
    """The error of ours that `exc` means, or None."""
    for kind, replacement in TRANSLATIONS:
        if isinstance(exc, kind):
            return replacement()
    if isinstance(exc, drf.APIException):
        return exc
    # A library's exception for what the driver raises, such as the job queue's.
    if isinstance(exc.__cause__, UNAVAILABLE):
        return DependencyUnavailable()
    return None


def problem_of(exc: drf.APIException) -> dict[str, Any]:
    """Problem details of an error, with members of its own (RFC 9457 section 3.2);
    `errors` maps field to [{message, code}]."""
    if isinstance(exc, drf.ValidationError):
        errors = field_errors(exc.get_full_details())
        return problem(400, "validation_error") | {"errors": errors}
    code = str(exc.get_codes())
    members: dict[str, Any] = getattr(exc, "members", {})
    return problem(exc.status_code, ALIASES.get(code, code), str(exc.detail)) | members


def problem(status: int, code: str, detail: str = "") -> dict[str, Any]:
    """Members of RFC 9457 section 3.1, and ours: code, request_id. `detail` is for a
    service's own codes, which CODES does not have."""
    return {
        "type": "about:blank",
        "title": TITLES.get(status) or HTTPStatus(status).phrase,
        "status": status,
        "detail": CODES.get(code, detail),
        "code": code,
        "request_id": request_id.get(),
    }


def field_errors(
    details: Any, field: str | None = None
) -> dict[str, list[dict[str, str]]]:
    """DRF's nested error details, flat: dotted field to list of {message, code}. The
    items of a list are fields by their numbers."""
    if is_error(details):
        return {"non_field_errors" if field is None else field: [details]}
    flat: dict[str, list[dict[str, str]]] = {}
    is_list = isinstance(details, list)
    for name, value in enumerate(details) if is_list else details.items():
        inner = str(name) if field is None else f"{field}.{name}"
        where = field if is_list and is_error(value) else inner
        for each, errors in field_errors(value, where).items():
            flat.setdefault(each, []).extend(errors)
    return flat


def is_error(details: Any) -> bool:
    """Whether this is {message, code}, and no error of fields with these names."""
    return isinstance(details, dict) and isinstance(details.get("message"), str)


def bad_request(request: HttpRequest, exception: Exception) -> HttpResponse:
    """handler400: a bad host, a body over the limit, a suspicious request."""
    known = translate(exception) or drf.ParseError(code="bad_request")
    return refusal(request, known)


def permission_denied(request: HttpRequest, exception: Exception) -> HttpResponse:
    audit_refusal("authz_fail", Forbidden(), request)
    return refusal(request, Forbidden())


def page_not_found(request: HttpRequest, exception: Exception) -> HttpResponse:
    return refusal(request, drf.NotFound())


def server_error(request: HttpRequest) -> HttpResponse:
    """handler500: a bug; or an unavailable database, met outside of DRF's views."""
    exc = sys.exc_info()[1]
    known = translate(exc) if isinstance(exc, Exception) else None
    if isinstance(known, Unavailable):
        return refusal(request, known)
    return refusal(request, drf.APIException())


def refusal(request: HttpRequest, exc: drf.APIException) -> HttpResponse:
    """An error that was raised outside of DRF's views."""
    return JsonResponse(
        problem_of(exc),
        status=exc.status_code,
        headers=error_headers(exc),
        content_type=PROBLEM,
    )
