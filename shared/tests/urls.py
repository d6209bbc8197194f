"""A third service, as somebody would write it: one route of each kind."""

from typing import Any, NoReturn

from django.db import OperationalError
from django.urls import path
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.fields import CredentialsSerializer, ExactCharField
from shared.api.urls import common
from shared.api.views import InternalView, JSONView, OpenView
from shared.auth.authentication import TokenUser


class MeView(JSONView):
    """For people: REST_FRAMEWORK's defaults."""

    def get(self, request: Request) -> Response:
        user = request.user
        assert isinstance(user, TokenUser)
        return Response(
            {
                "id": str(user.pk),
                "sid": str(user.sid),
                "email": user.email,
                "username": user.username,
                "roles": list(user.roles),
            }
        )


class AnyServiceView(InternalView):
    def get(self, request: Request) -> Response:
        return Response({"caller": request.user.name})


class AuthOnlyView(AnyServiceView):
    allowed_callers = frozenset({"auth"})


class NoteSerializer(serializers.Serializer[None]):
    text = ExactCharField(max_length=100)
    tags = serializers.ListField(child=serializers.CharField(), required=False)


class NoteView(OpenView):
    """Takes a body."""

    serializer: type[serializers.Serializer[None]] = NoteSerializer

    def post(self, request: Request) -> Response:
        serializer = self.serializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        return Response(serializer.validated_data)


class CredentialsView(NoteView):
    serializer = CredentialsSerializer


class BrokenView(OpenView):
    """A bug, with a secret in its message."""

    def get(self, request: Request) -> NoReturn:
        raise RuntimeError("canary-in-an-exception")


class AwayView(OpenView):
    """A database that is away."""

    def get(self, request: Request) -> NoReturn:
        raise OperationalError("canary-in-a-database-error")


def plain_away(request: Any) -> NoReturn:
    """The same outside of DRF, as in Django's admin."""
    raise OperationalError("canary-in-a-database-error")


def plain_broken(request: Any) -> NoReturn:
    raise RuntimeError("canary-in-an-exception")


urlpatterns = [
    path("api/v1/test/me", MeView.as_view()),
    path("api/v1/test/internal", AnyServiceView.as_view()),
    path("api/v1/test/internal/auth", AuthOnlyView.as_view()),
    path("api/v1/test/notes", NoteView.as_view()),
    path("api/v1/test/notes/<uuid:note_id>", MeView.as_view()),
    path("api/v1/test/credentials", CredentialsView.as_view()),
    path("api/v1/test/broken", BrokenView.as_view()),
    path("api/v1/test/away", AwayView.as_view()),
    path("plain/away", plain_away),
    path("plain/broken", plain_broken),
    *common("api/v1/test"),
]

handler400 = "shared.api.problem_details.bad_request"
handler403 = "shared.api.problem_details.permission_denied"
handler404 = "shared.api.problem_details.page_not_found"
handler500 = "shared.api.problem_details.server_error"
