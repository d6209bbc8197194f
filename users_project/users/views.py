"""The HTTP views: parse, call, respond. Their OpenAPI descriptions are in `openapi`."""

from typing import cast
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.client_ip import client_address
from shared.api.exceptions import InvalidCredentials, TokenRevoked, UserNotFound
from shared.api.views import InternalView, JSONView
from shared.auth import device_cookie
from shared.auth.authentication import Service, TokenUser
from shared.event_pages import EventQuerySerializer
from shared.structured_logging import audit
from users import credentials, lockouts, openapi
from users import serializers as s
from users.accounts import deletion, privacy_schema
from users.events import history
from users.events.log import record
from users.factors import policy
from users.guess_limits import Client, counted_of
from users.models import User


def caller(request: Request) -> User:
    """The account of the access token, with roles. Raises TokenRevoked if gone."""
    user = User.objects.find(id=request.user.pk)
    if user is None:
        raise TokenRevoked
    return user


class MeView(JSONView):
    @extend_schema(**openapi.ME)
    def get(self, request: Request) -> Response:
        """The caller's own account, as it is now: the token may be minutes old."""
        user = caller(request)
        return Response(s.represent(user, s.MEMBERS_OF_ME))

    @extend_schema(**openapi.UPDATE_ME)
    def patch(self, request: Request) -> Response:
        """Change one's own names and avatar; members that are left out stay."""
        user = caller(request)
        serializer = s.ProfileSerializer(user, data=request.data)
        serializer.is_valid(raise_exception=True)
        with counted_of(user, "PROFILE_LIMIT_USER"):
            user = serializer.save()
        return Response(s.represent(user, s.MEMBERS_OF_ME))

    @extend_schema(**privacy_schema.DELETE_ME)
    def delete(self, request: Request) -> Response:
        """Delete one's own account. All sessions end at once, and a mail brings a link
        that restores the account within fourteen days. Then it is erased."""
        user = caller(request)
        serializer = privacy_schema.DeletionSerializer(user, data=request.data)
        serializer.is_valid(raise_exception=True)
        password = serializer.validated_data.get("current_password")
        credentials.require_proof(user, cast(TokenUser, request.user), password)
        until = deletion.delete_own(user)
        if until is None:
            raise ValidationError(credentials.WRONG, code="invalid")
        return Response({"restorable_until": until}, status=202)


class ChangePasswordView(JSONView):
    """Change one's own password.

    Every other session of the account ends at once; the caller's continues. (If the
    Auth Service is unavailable, it ends at its next refresh too, and so it does
    by a refresh that runs at the same time: log in again.) A wrong current password is
    a 400 and ends nothing.
    """

    @extend_schema(**openapi.CHANGE_PASSWORD)
    def post(self, request: Request) -> Response:
        assert isinstance(request.user, TokenUser)
        user, sid = caller(request), request.user.sid
        serializer = s.PasswordChangeSerializer(user, data=request.data)
        serializer.is_valid(raise_exception=True)
        passwords = serializer.validated_data
        current, new = passwords["current_password"], passwords["new_password"]
        if not credentials.change(user, current, new, sid):
            where = {"sid": str(sid), "ip": client_address(request)}
            record("authn_password_change_fail", user.pk, **where)
            raise ValidationError(credentials.WRONG, code="invalid")
        response = Response(status=204)
        device = device_cookie.renew(device_cookie.read(request), user)
        device_cookie.write(response, device)
        return response


class EventsView(JSONView):
    """What happened to one's account, the newest first: logins, sessions, passwords."""

    @extend_schema(**openapi.EVENTS)
    def get(self, request: Request) -> Response:
        """At most 100 of a page. 503 where the Auth Service does not answer: a page
        without logins would look like one where there were none."""
        query = EventQuerySerializer(data=request.query_params)
        query.is_valid(raise_exception=True)
        page = history.events_of(caller(request).pk, **query.validated_data)
        shown = [history.public(event) for event in page.events]
        return Response({"events": shown, "next": page.next})


class UserView(InternalView):
    """For services: the user with this id, if active and not deleted."""

    @extend_schema(**openapi.USER)
    def get(self, request: Request, user_id: UUID) -> Response:
        user = User.objects.find(id=user_id)
        if user is None:
            raise UserNotFound
        assert isinstance(request.user, Service)
        # Only the Auth Service gets the columns that decide which sessions have ended.
        is_auth = request.user.name == "auth"
        return Response(s.represent(user, s.MEMBERS_FOR_AUTH if is_auth else s.MEMBERS))


class VerifyView(InternalView):
    """For the Auth Service: whose credentials are these?

    Unknown, wrong, inactive and deleted get the same answer, after the same work, and
    so does a guess beyond the limit of the account. Guesses are counted here:
    `client` says where they come from. `device` is the text of the device cookie, as
    the browser sent it and as it is to be set. `factors` says whether that is a login:
    not where there is a method and no trust, or where a factor is required and missing.
    Then `device` is not renewed yet.
    """

    allowed_callers = frozenset({"auth"})

    @extend_schema(**openapi.VERIFY)
    def post(self, request: Request) -> Response:
        serializer = s.LoginAttemptSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        attempt = serializer.validated_data
        client = Client(device=attempt.pop("device", ""), **attempt.pop("client", {}))
        user = credentials.authenticate(client=client, **attempt)
        if user is None:
            raise InvalidCredentials
        device = client.device
        trusted = device_cookie.is_trusted(device, user)
        if policy.is_enough(user, device):
            device = device_cookie.renew(device, user)
        answer = s.represent(user, s.MEMBERS_OF_VERIFIED)
        factors = {**policy.summary(user), "trusted": trusted}
        answer |= {"sub": user.id, "device": device, "factors": factors}
        return Response(answer)


class LookupView(InternalView):
    """For the Auth Service's commands: the ids of whom an operator names, also of users
    who are deactivated or deleted."""

    allowed_callers = frozenset({"auth"})

    @extend_schema(**openapi.LOOKUP)
    def post(self, request: Request) -> Response:
        serializer = s.LookupSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        found = lockouts.users_of(serializer.validated_data["identifier"])
        return Response({"ids": [user.pk for user in found]})


class EndSessionsView(InternalView):
    """For the Auth Service: raise the user's epoch, so that all sessions end, but
    `keep_sid` where that is given.

    No push follows, as the caller ends them by the answer.
    """

    allowed_callers = frozenset({"auth"})

    @extend_schema(**openapi.END_SESSIONS)
    def post(self, request: Request, user_id: UUID) -> Response:
        serializer = s.EndSessionsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        keep_sid = serializer.validated_data.get("keep_sid")
        row = User.objects.raise_epoch(user_id, keep_sid)
        if row is None:
            raise UserNotFound
        epoch, kept_from = row["session_epoch"], row["kept_from"]
        audit("sessions_ended", user_id=str(user_id), epoch=epoch, by="auth")
        return Response({"session_epoch": epoch, "kept_from": kept_from})
