"""The HTTP side of sessions, for their own user."""

from typing import cast
from uuid import UUID

from drf_spectacular.utils import OpenApiParameter, extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.exceptions import TokenError
from shared.api.views import JSONView, refuse_abandoned, valid
from shared.auth.authentication import TokenUser
from tokens import cookies, services
from tokens import serializers as s
from tokens.jwt_tokens import SpentRefreshToken
from tokens.models import Session
from tokens.revocation import end_own_session

# Sessions in a list, at most: without a cap a user may have any number.
LISTED = 100

CLEARED_COOKIE = OpenApiParameter(
    name="Set-Cookie",
    location=OpenApiParameter.HEADER,
    response=[200],
    description="The refresh cookie is cleared, if it was sent and its session ended.",
)


def caller(request: Request) -> TokenUser:
    """The user of the token. DRF's types have only Django's users."""
    return cast(TokenUser, request.user)


class SessionListView(JSONView):
    """List your live sessions, the last used first (at most 100)."""

    @extend_schema(
        operation_id="auth_sessions_list",
        responses={200: s.SessionSerializer(many=True)},
    )
    def get(self, request: Request) -> Response:
        live = Session.objects.live_of(caller(request).id)[:LISTED]
        context = {"request": request}
        return Response(s.SessionSerializer(live, many=True, context=context).data)


class SessionView(JSONView):
    """One of your sessions."""

    @extend_schema(
        operation_id="auth_sessions_delete",
        request=None,
        responses={204: None},
    )
    def delete(self, request: Request, session_id: UUID) -> Response:
        """End one of your sessions. It may be the current one. Its tokens are refused
        at once. 404 for a session that has ended, is not yours or does not exist."""
        if not end_own_session(session_id, caller(request).id):
            raise NotFound
        return Response(status=204)


class LogoutAllView(JSONView):
    """Log out everywhere, or with `keep_current` everywhere else.

    503 means that your sessions may still live: try again.
    """

    @extend_schema(
        operation_id="auth_logout_all",
        request=s.LogoutAllSerializer,
        parameters=[CLEARED_COOKIE],
        responses={200: s.RevokedSerializer},
    )
    def post(self, request: Request) -> Response:
        keep = valid(s.LogoutAllSerializer(data=request.data))["keep_current"]
        user = caller(request)
        refuse_abandoned(request)
        revoked = services.log_out_all(user, keep_current=keep)
        response = Response({"revoked": revoked})
        if any(has_ended(each, user, keep) for each in cookies.find_all(request)):
            cookies.write(response, None)
        return response


def has_ended(cookie: str, user: TokenUser, keep: bool) -> bool:
    """Whether the session of a refresh cookie ended when `user` logged out everywhere,
    or (`keep`) everywhere else. The browser may be logged in as another user."""
    try:
        token = SpentRefreshToken.parse(cookie)
    except TokenError:
        return not keep
    is_mine, is_current = token["sub"] == str(user.id), token["sid"] == str(user.sid)
    return bool(is_mine and not (keep and is_current))
