"""The HTTP side of sessions for the User Service: its pushes, its admin's actions."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.parsers import StrictJSONParser
from shared.api.views import InternalView, valid
from shared.events.pages import MOST, ReportedPageSerializer, page_of
from tokens import serializers as s
from tokens.erasure import erase
from tokens.models import Event, Session
from tokens.revocation import end_own_session, end_sessions_below
from tokens.views.sessions import LISTED


class OperatorView(InternalView):
    """The admin decides which operator may ask for which user."""

    allowed_callers = frozenset({"users"})


class UserSessionsView(OperatorView):
    """List a user's live sessions, the last used first (at most 100).

    They have the network and not the address, as their user sees them. This is enough
    to tell devices apart. The audit log has the address, under the session's id.
    """

    @extend_schema(
        operation_id="auth_user_sessions_list",
        responses={200: s.UserSessionsSerializer},
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        live = Session.objects.live_of(user_id)[:LISTED]
        shown = s.UserSessionSerializer(live, many=True)
        return Response({"sessions": shown.data})


class UserEventsView(OperatorView):
    """List the events of a user's sessions, the newest first."""

    @extend_schema(
        operation_id="auth_user_events_list",
        parameters=[s.EventsQuerySerializer],
        responses={200: ReportedPageSerializer, 400: ("validation_error",)},
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        asked = valid(s.EventsQuerySerializer(data=request.query_params))
        events = Event.objects.filter(user_id=user_id)
        if asked["event"]:
            events = events.filter(event=asked["event"])
        page = page_of(events, asked.get("before"), asked["size"])
        return Response({"events": page.events, "next": page.next})


class RevokeUserSessionView(OperatorView):
    """One session of a user."""

    @extend_schema(
        operation_id="auth_user_sessions_revoke",
        request=None,
        responses={200: s.RevokedSerializer},
    )
    def post(self, request: Request, user_id: UUID, session_id: UUID) -> Response:
        """End one session of a user. Its tokens are refused at once. `revoked` is 0
        without such a live session: a 404 could come from another server."""
        ended = end_own_session(session_id, user_id, "operator")
        return Response({"revoked": int(ended)})


class StoredSessionsView(OperatorView):
    """List a user's stored sessions, live or not, the oldest first, for the user's
    export. There may be any number: `next` asks for more."""

    @extend_schema(
        operation_id="auth_user_stored_sessions_list",
        parameters=[s.StoredQuerySerializer],
        responses={200: s.StoredSessionsSerializer, 400: ("validation_error",)},
    )
    def get(self, request: Request, user_id: UUID) -> Response:
        asked = valid(s.StoredQuerySerializer(data=request.query_params))
        kept = Session.objects.filter(user_id=user_id, created_at__gt=asked["after"])
        found, following = list(kept.order_by("created_at")[: MOST + 1]), None
        if len(found) > MOST:  # of the same time, none or all
            found = [x for x in found if x.created_at < found[-1].created_at]
            following = found[-1].created_at
        rows = s.StoredSessionSerializer(found, many=True)
        return Response({"sessions": rows.data, "next": following})


class EraseUserView(OperatorView):
    """A user was erased."""

    @extend_schema(
        operation_id="auth_user_erase",
        request=None,
        responses={200: s.ErasedSerializer},
    )
    def post(self, request: Request, user_id: UUID) -> Response:
        """Delete all personal data of a user who was erased. May be repeated."""
        return Response({"erased": erase(user_id)})


class PushParser(StrictJSONParser):
    limit = 256 * 1024  # 5,000 ids


class RevokeSessionsView(OperatorView):
    """The epochs of users were raised: their older sessions end."""

    parser_classes = (PushParser,)

    @extend_schema(
        operation_id="auth_sessions_revoke",
        request=s.RevocationSerializer,
        responses={200: s.RevokedSerializer},
    )
    def post(self, request: Request) -> Response:
        """End the sessions of users below an epoch, except one to keep."""
        push = valid(s.RevocationSerializer(data=request.data))
        return Response({"revoked": end_sessions_below(**push)})
