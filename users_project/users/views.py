"""The HTTP side: parse, call, respond. What it says to API readers is in `schema`."""

from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shared.authentication import Service
from shared.exceptions import InvalidCredentials, TokenRevoked, UserNotFound
from shared.fields import CredentialsSerializer
from shared.log import audit
from shared.views import InternalView, JSONView, OpenView
from users import credentials, schema
from users.models import User
from users.representation import represent, represent_verified
from users.serializers import RegistrationSerializer


class RegistrationView(OpenView):
    """Create an account.

    A deleted account keeps its e-mail address and username. The password is used
    exactly as sent: 8 to 128 characters, no rules of composition, but common ones and
    those like your own names are refused.
    """

    @extend_schema(**schema.REGISTRATION)
    def post(self, request: Request) -> Response:
        serializer = RegistrationSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        user = serializer.save()
        audit("user_created", user_id=str(user.id))
        location = {"Location": "/api/v1/users/me"}
        return Response(represent(user, roles=[]), status=201, headers=location)


class MeView(JSONView):
    """The caller's own account, as it is now: the token may be minutes old."""

    @extend_schema(**schema.ME)
    def get(self, request: Request) -> Response:
        user = User.objects.find(id=request.user.pk)
        if user is None:
            raise TokenRevoked
        return Response(represent(user, user.roles))


def is_auth(caller: object) -> bool:
    """Whether the Auth Service asks: the epoch of a user is its business alone."""
    return isinstance(caller, Service) and caller.name == "auth"


class UserView(InternalView):
    """For services: the user with this id, if active and not deleted."""

    @extend_schema(**schema.USER)
    def get(self, request: Request, user_id: UUID) -> Response:
        user = User.objects.find(id=user_id)
        if user is None:
            raise UserNotFound
        answer = represent(user, user.roles)
        if is_auth(request.user):
            answer["session_epoch"] = user.session_epoch
        return Response(answer)


class VerifyView(InternalView):
    """For the Auth Service: whose credentials are these?

    Unknown, wrong, inactive and deleted get the same answer, after the same work.
    """

    allowed_callers = frozenset({"auth"})

    @extend_schema(**schema.VERIFY)
    def post(self, request: Request) -> Response:
        serializer = CredentialsSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        user = credentials.check(**serializer.validated_data)
        if user is None:
            raise InvalidCredentials
        return Response(represent_verified(user))
