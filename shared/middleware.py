"""Middleware of every service: request ids, the access log, trailing slashes."""

import logging
import re
import time
from collections.abc import Callable
from uuid import uuid4

from django.http import HttpRequest, HttpResponse

from shared.api.client_ip import client_address
from shared.metrics import count_request
from shared.structured_logging import access_logger, current, request_id

GetResponse = Callable[[HttpRequest], HttpResponse]

PROBES = ("/health/live", "/health/ready")
REQUEST_ID = re.compile(r"[A-Za-z0-9-]{8,64}")


class RequestMiddleware:
    """The outermost: sets the request's id and start time, logs one line at the end.

    The id comes from the gateway or the calling service. An id of another form is
    replaced, since it goes into logs (CWE-117).
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        started = time.monotonic()
        request.started = started  # type: ignore[attr-defined]
        offered = request.META.get("HTTP_X_REQUEST_ID", "")
        identity = offered if REQUEST_ID.fullmatch(offered) else uuid4().hex
        token, around = request_id.set(identity), current.set(request)
        try:
            response = self.get_response(request)
            response["X-Request-ID"] = identity
            seconds = time.monotonic() - started
            log_access(request, response, seconds)
            count_request(request, response.status_code, seconds)
            return response
        finally:
            current.reset(around)
            request_id.reset(token)


def log_access(request: HttpRequest, response: HttpResponse, seconds: float) -> None:
    """Log one line with the route's template, since the client chooses the path."""
    route = request.resolver_match.route if request.resolver_match else None
    data = getattr(response, "data", None)
    # Successful probes come every few seconds, so they are logged at DEBUG only.
    well = response.status_code == 200 and str(route).endswith(PROBES)
    access_logger.log(
        logging.DEBUG if well else logging.INFO,
        "%s %s %s",
        request.method,
        route,
        response.status_code,
        extra={
            "event": "access",
            "method": request.method,
            "route": route,
            "status": response.status_code,
            "code": data.get("code") if isinstance(data, dict) else None,
            "duration_ms": round(seconds * 1000, 2),
            "client": client_address(request),
            "caller": getattr(request, "caller", None),
        },
    )


class TrailingSlashMiddleware:
    """URLs of the API have no trailing slash; one that is sent is removed.

    A redirect would lose the body of a POST, so the path is rewritten.
    """

    def __init__(self, get_response: GetResponse) -> None:
        self.get_response = get_response

    def __call__(self, request: HttpRequest) -> HttpResponse:
        if request.path_info.startswith("/api/") and request.path_info.endswith("/"):
            request.path_info = request.path_info[:-1]
        return self.get_response(request)
