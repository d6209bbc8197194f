"""The HTTP views: parse, call, respond. Their OpenAPI descriptions are in `openapi`."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import ValidationError
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.client_ip import client_address
from shared.api.exceptions import InvalidCredentials, TokenRevoked, UserNotFound
from shared.api.views import InternalView, JSONView, refuse_abandoned, valid
from shared.auth import device_cookie
from shared.auth.authentication import Service, TokenUser
from shared.events.pages import EventQuerySerializer
from shared.structured_logging import audit
from users import openapi
from users import serializers as s
from users.accounts import deletion, privacy_schema
from users.events import history
from users.events.log import record
from users.factors import policy
from users.limits import lockouts
from users.limits.guess_limits import Client, counted_of
from users.models import User
from users.passwords import credentials


def caller(request: Request, *, factors: bool = False) -> User:
    """The account of the access token, with roles. Raises TokenRevoked if gone."""
    user = User.objects.find(id=request.user.pk, factors=factors)
    if user is None:
        raise TokenRevoked
    return user


class MeView(JSONView):
    @extend_schema(**openapi.ME)
    def get(self, request: Request) -> Response:
        """Get your account as it is now. The access token may be minutes old."""
        user = caller(request)
        return Response(s.represent(user, s.MEMBERS_OF_ME))

    @extend_schema(**openapi.UPDATE_ME)
    def patch(self, request: Request) -> Response:
        """Change your names, avatar or language. Omitted members keep their value."""
        user = caller(request)
        serializer = s.ProfileSerializer(user, data=request.data)
        serializer.is_valid(raise_exception=True)
        with counted_of(user, "PROFILE_LIMIT_USER"):
            user = serializer.save()
        return Response(s.represent(user, s.MEMBERS_OF_ME))

    @extend_schema(**privacy_schema.DELETE_ME)
    def delete(self, request: Request) -> Response:
        """Delete your account. All sessions end at once. For fourteen days the link in
        a mail restores the account. Then it is erased."""
        assert isinstance(request.user, TokenUser)
        user = caller(request, factors=True)
        body = valid(privacy_schema.DeletionSerializer(user, data=request.data))
        password = body.get("current_password")
        proved = credentials.is_proved(user, request.user, password)
        until = deletion.delete_own(user) if proved else None
        if until is None:
            sid = str(request.user.sid)
            record("authn_password_check_fail", user.pk, sid=sid)
            raise ValidationError(credentials.WRONG, code="invalid")
        return Response({"restorable_until": until}, status=202)


class ChangePasswordView(JSONView):
    """Change your password.

    All your other sessions end at once, or at their next refresh if the Auth Service is
    unavailable. Your current session continues. A wrong current password is a 400 and
    ends no session. An account without a password gets its first one. With a second
    factor, the session must have used one.
    """

    @extend_schema(**openapi.CHANGE_PASSWORD)
    def post(self, request: Request) -> Response:
        assert isinstance(request.user, TokenUser)
        user = caller(request, factors=True)
        body = valid(s.PasswordChangeSerializer(user, data=request.data))
        current, new = body.get("current_password"), body["new_password"]
        if not credentials.change(user, request.user, new, current):
            where = {"sid": str(request.user.sid), "ip": client_address(request)}
            record("authn_password_change_fail", user.pk, **where)
            raise ValidationError(credentials.WRONG, code="invalid")
        response = Response(status=204)
        device = device_cookie.renew(device_cookie.read(request), user)
        device_cookie.write(response, device)
        return response


class EventsView(JSONView):
    """The events of the caller's account, from both services."""

    @extend_schema(**openapi.EVENTS)
    def get(self, request: Request) -> Response:
        """List the events of your account, such as logins, the newest first (at most
        100). 503 without the Auth Service: the page would silently lack all logins."""
        query = valid(EventQuerySerializer(data=request.query_params))
        page = history.events_of(caller(request).pk, **query)
        shown = [history.public(event) for event in page.events]
        return Response({"events": shown, "next": page.next})


class UserView(InternalView):
    """Get a user by id, if active and not deleted. For all services."""

    @extend_schema(**openapi.USER)
    def get(self, request: Request, user_id: UUID) -> Response:
        user = User.objects.find(id=user_id)
        if user is None:
            raise UserNotFound
        assert isinstance(request.user, Service)
        # Only the Auth Service gets the columns that decide which sessions have ended.
        is_auth = request.user.name == "auth"
        return Response(s.represent(user, s.MEMBERS_FOR_AUTH if is_auth else s.MEMBERS))


class AuthServiceView(InternalView):
    allowed_callers = frozenset({"auth"})


class VerifyView(AuthServiceView):
    """Check the credentials of a login. Only for the Auth Service.

    Unknown, inactive and deleted users, wrong passwords and guesses beyond the limit of
    the account get the same answer, after the same work. Guesses are counted here, by
    `client`. `device` is the text of the device cookie: as the browser sent it, and as
    it has to be set. The login is not complete, and `device` not renewed, if there are
    `methods` and the device is not `trusted`, or if a factor is `required` and missing.
    """

    @extend_schema(**openapi.VERIFY)
    def post(self, request: Request) -> Response:
        attempt = valid(s.LoginAttemptSerializer(data=request.data))
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


class LookupView(AuthServiceView):
    """Find the ids of the users that an operator names. They may be deactivated or
    deleted. Only for the Auth Service, for its commands."""

    @extend_schema(**openapi.LOOKUP)
    def post(self, request: Request) -> Response:
        body = valid(s.LookupSerializer(data=request.data))
        found = lockouts.users_of(body["identifier"])
        return Response({"ids": [user.pk for user in found]})


class EndSessionsView(AuthServiceView):
    """End all sessions of a user, or all but `keep_sid`, by raising the user's epoch.

    Only for the Auth Service, which ends the sessions by the answer: no push follows.
    """

    @extend_schema(**openapi.END_SESSIONS)
    def post(self, request: Request, user_id: UUID) -> Response:
        body = valid(s.EndSessionsSerializer(data=request.data))
        refuse_abandoned(request)
        row = User.objects.raise_epoch(user_id, body.get("keep_sid"))
        if row is None:
            raise UserNotFound
        epoch, kept_from = row["session_epoch"], row["kept_from"]
        audit("sessions_ended", user_id=str(user_id), epoch=epoch, by="auth")
        return Response({"session_epoch": epoch, "kept_from": kept_from})
