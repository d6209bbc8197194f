"""The HTTP side of login, refresh, logout and verification: parse, call, respond."""

import time
from functools import partial
from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.client_ip import client_address, user_agent
from shared.api.exceptions import TokenError, TokenNotYetValid, TokenRevoked
from shared.api.fields import CredentialsSerializer
from shared.api.openapi import TOKEN_PROBLEMS
from shared.api.views import InternalView, OpenView, refuse_abandoned, valid
from shared.auth import device_cookie
from shared.auth.fetch_metadata import SameOriginRequired
from shared.metrics import counted_login
from tokens import cookies, logins, services
from tokens import serializers as s
from tokens.factor_serializers import LoginProblemSerializer

SET_COOKIE = OpenApiParameter(
    name="Set-Cookie",
    location=OpenApiParameter.HEADER,
    response=[200],
    description="The refresh token: HttpOnly, SameSite=Strict, Path=/api/v1/auth.",
)
# Each is null if the token does not have it.
VERIFIED = tuple(s.VerifiedTokenSerializer().fields)[2:]  # without `valid`, `user_id`
REFRESH_COOKIE: list[Any] = [{"refreshCookie": []}]


class BrowserView(OpenView):
    """A view that sets or takes the refresh cookie, so not for other sites' pages."""

    permission_classes = (SameOriginRequired,)
    problem_codes = {403: ("cross_site_request",)}


class CookieView(BrowserView):
    """A view whose credential is the refresh cookie.

    The cookie is cleared if its token is invalid, expired or reused. It stays if the
    client may try again (503, 429), if another request has won, if it was sent twice,
    and if its session was ended: the browser may have a new cookie already.
    """

    kept_after = (TokenNotYetValid, TokenRevoked, cookies.CookieDoubled)

    def handle_exception(self, exc: Exception) -> Response:
        response = super().handle_exception(exc)
        if isinstance(exc, TokenError) and not isinstance(exc, self.kept_after):
            cookies.write(response, None)
        return response


def grant_response(grant: services.Grant) -> Response:
    """The answer of RFC 6749 section 5.1, with the cookies that are new."""
    response = Response(
        {
            "access_token": grant.access.text,
            "token_type": "bearer",
            "expires_in": max(int(grant.access["exp"] - time.time()), 0),
        }
    )
    if grant.refresh is not None:
        cookies.write(response, grant.refresh)
    if grant.device:
        device_cookie.write(response, grant.device)
    return response


def client_of(request: Request) -> services.Client:
    sent = cookies.find_all(request)
    return services.Client(
        client_address(request),
        user_agent(request),
        partial(refuse_abandoned, request),
        device_cookie.read(request),
        sent[0] if len(sent) == 1 else None,  # a duplicate does not fail a login
    )


class LoginView(BrowserView):
    """Log in with a password, and an e-mail address or username. If a refresh cookie is
    sent, its session ends. If a second factor is needed, continue at
    `login/second_factor`. With only a passkey, begin at `login/passkey/options`."""

    problem_shapes = {401: LoginProblemSerializer}

    @extend_schema(
        operation_id="auth_login",
        request=CredentialsSerializer,
        parameters=[SET_COOKIE],
        responses={
            200: s.GrantSerializer,
            401: ("invalid_credentials", "second_factor_required"),
        },
        examples=[
            OpenApiExample(
                "by e-mail",
                value={
                    "email": "ada@example.org",
                    "password": "correct horse battery staple",
                },
                request_only=True,
            )
        ],
    )
    def post(self, request: Request) -> Response:
        body = valid(CredentialsSerializer(data=request.data))
        client = client_of(request)
        with counted_login("password"):
            grant = logins.log_in(body, client)
        return grant_response(grant)


class RefreshView(CookieView):
    """Get a new access token, and rotate the refresh cookie.

    If a tab or a retry sends the old cookie within ten seconds, it gets the same new
    one. Any other second use of a refresh token ends the session.
    """

    @extend_schema(
        operation_id="auth_refresh",
        request=None,
        auth=REFRESH_COOKIE,
        responses={
            200: s.GrantSerializer,
            401: (
                *(*TOKEN_PROBLEMS, "refresh_token_reused"),
                "insufficient_user_authentication",
            ),
        },
    )
    def post(self, request: Request) -> Response:
        text, client = cookies.read(request), client_of(request)
        received_at = request._request.started  # type: ignore[attr-defined]
        return grant_response(services.refresh(text, client, received_at))


class LogoutView(CookieView):
    """Log out: end the session of the refresh cookie, and clear the cookie. May be
    repeated. After a 503 the session may still live, with its cookie: try again."""

    @extend_schema(
        operation_id="auth_logout",
        request=None,
        auth=REFRESH_COOKIE,
        responses={200: s.MessageSerializer, 401: ("token_invalid",)},
    )
    def post(self, request: Request) -> Response:
        services.log_out(cookies.find(request))
        response = Response({"message": "Logged out."})
        cookies.write(response, None)
        return response


class VerifyTokenView(InternalView):
    """Check an access token and get its claims. For all services."""

    @extend_schema(
        operation_id="auth_verify_token",
        request=s.TokenSerializer,
        responses={
            200: s.VerifiedTokenSerializer,
            401: ("service_auth_failed", *TOKEN_PROBLEMS[1:]),
        },
    )
    def post(self, request: Request) -> Response:
        claims = services.verify(s.TokenSerializer.token_of(request.data))
        named = {name: claims.get(name) for name in VERIFIED}
        return Response({"valid": True, "user_id": claims["sub"], **named})
