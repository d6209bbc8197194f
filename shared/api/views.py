"""Base classes of views, and how they read a body."""

from collections.abc import Mapping
from typing import Any

from rest_framework.authentication import BaseAuthentication
from rest_framework.permissions import AllowAny, BasePermission
from rest_framework.request import Request
from rest_framework.views import APIView

from shared.api.exceptions import DependencyUnavailable, Unauthorized
from shared.api.openapi import TOKEN_PROBLEMS, Codes, ProblemSerializer
from shared.auth.authentication import APIKeyAuthentication
from shared.auth.permissions import HasAPIKey
from shared.wsgi import has_left


class JSONView(APIView):
    """For a user with an access token, unless a subclass says otherwise."""

    # For the OpenAPI document: codes of errors of all operations, and bodies of errors
    # with more members than others.
    problem_codes: Codes = {401: TOKEN_PROBLEMS}
    problem_shapes: Mapping[int, type[ProblemSerializer]] = {}
    # No OPTIONS: preflights are the CORS middleware's, and Allow tells the truth.
    http_method_names = ["get", "head", "post", "put", "patch", "delete"]


class OpenView(JSONView):
    """Open to anyone; a credential that is sent along is not looked at."""

    authentication_classes = ()
    permission_classes: tuple[type[BasePermission], ...] = (AllowAny,)
    problem_codes = {}

    def get_authenticate_header(self, request: Request) -> str:
        # Without an authenticator DRF has no challenge and turns 401 into 403.
        return Unauthorized.auth_header


class InternalView(JSONView):
    """For other services: `allowed_callers`, or (None) all but the one for metrics."""

    authentication_classes: tuple[type[BaseAuthentication], ...] = (
        APIKeyAuthentication,
    )
    permission_classes = (HasAPIKey,)
    problem_codes = {401: ("service_auth_failed",), 403: ("forbidden",)}
    allowed_callers: frozenset[str] | None = None


def valid(serializer: Any) -> dict[str, Any]:
    """The validated data of a body. Raises ValidationError."""
    serializer.is_valid(raise_exception=True)
    data: dict[str, Any] = serializer.validated_data
    return data


def refuse_abandoned(request: Request) -> None:
    """Raise DependencyUnavailable if the caller has closed the connection: it took a
    wait for a failure, so what it asked for must not happen later. No round trip."""
    if has_left(request.META):
        raise DependencyUnavailable
