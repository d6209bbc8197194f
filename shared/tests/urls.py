"""A third service, as you would write it: one route of each kind."""

from typing import Any, NoReturn

from django.db import OperationalError
from django.urls import path
from rest_framework import serializers
from rest_framework.parsers import FileUploadParser
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.fields import CredentialsSerializer, ExactCharField
from shared.api.urls import common
from shared.api.views import InternalView, JSONView, OpenView
from shared.auth.authentication import JWTAuthentication
from shared.auth.enrolment import EnrolmentAuthentication, EnrolmentUser


class MeView(JSONView):
    """For users: REST_FRAMEWORK's defaults."""

    def get(self, request: Request, **kwargs: Any) -> Response:
        user: Any = request.user
        names = ("sid", "email", "email_verified", "username", "roles")
        names += ("auth_time", "acr", "amr", "epoch")
        return Response({"id": user.pk} | {n: getattr(user, n) for n in names})


class EnrolView(JSONView):
    """Open to an enrol token too."""

    authentication_classes = (EnrolmentAuthentication, JWTAuthentication)

    def get(self, request: Request) -> Response:
        user: Any = request.user
        epoch = user.epoch if isinstance(user, EnrolmentUser) else None
        return Response({"id": user.pk, "epoch": epoch})


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


class UploadView(OpenView):
    """Takes a file of any size."""

    parser_classes = (FileUploadParser,)

    def post(self, request: Request, filename: str) -> Response:
        return Response({"size": request.data["file"].size})


def broken(request: Any) -> NoReturn:
    """A bug, with a secret in its message."""
    raise RuntimeError("canary-in-an-exception")


def unavailable(request: Any) -> NoReturn:
    """A database that is unavailable."""
    raise OperationalError("canary-in-a-database-error")


class BrokenView(OpenView):
    def get(self, request: Request) -> NoReturn:
        broken(request)


class UnavailableView(OpenView):
    def get(self, request: Request) -> NoReturn:
        unavailable(request)


urlpatterns = [
    path("api/v1/test/me", MeView.as_view()),
    path("api/v1/test/enrol", EnrolView.as_view()),
    path("api/v1/test/internal", AnyServiceView.as_view()),
    path("api/v1/test/internal/auth", AuthOnlyView.as_view()),
    path("api/v1/test/notes", NoteView.as_view()),
    path("api/v1/test/notes/<uuid:note_id>", MeView.as_view()),
    path("api/v1/test/credentials", CredentialsView.as_view()),
    path("api/v1/test/uploads/<filename>", UploadView.as_view()),
    path("api/v1/test/broken", BrokenView.as_view()),
    path("api/v1/test/unavailable", UnavailableView.as_view()),
    # Outside of DRF, as Django's admin.
    path("plain/unavailable", unavailable),
    path("plain/broken", broken),
    *common("api/v1/test"),
]

handler400 = "shared.api.problem_details.bad_request"
handler403 = "shared.api.problem_details.permission_denied"
handler404 = "shared.api.problem_details.page_not_found"
handler500 = "shared.api.problem_details.server_error"
