"""The Auth Service asks whether a login may set up a second factor."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import OpenApiExample, extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.exceptions import TokenInvalid
from shared.api.fields import EpochField, ExactCharField
from shared.api.openapi import problems
from shared.api.views import InternalView
from users.factors import enrolment
from users.models import User


class EnrolmentSerializer(serializers.Serializer[None]):
    """What comes with a password that was right."""

    epoch = EpochField(help_text="Of the user, when the password was looked at.")
    device = ExactCharField(required=False, allow_blank=True, max_length=1024)
    token = ExactCharField(required=False, max_length=100, help_text="Of a link.")


class ProvedSerializer(serializers.Serializer[None]):
    proved = serializers.BooleanField(help_text="If not, a link was mailed.")


ENROL: dict[str, Any] = {
    "operation_id": "users_factors_enrol",
    "request": EnrolmentSerializer,
    "responses": {
        200: ProvedSerializer,
        **problems(
            body=True,
            _400=("link_invalid",),
            _401=("token_invalid", "service_auth_failed"),
            _403=("forbidden",),
            _404=("not_found",),
        ),
    },
    "examples": [OpenApiExample("a login", value={"epoch": 3}, request_only=True)],
}


class EnrolView(InternalView):
    """Whether a user without a factor has proved more than the password: by a device of
    the account, or by a token. If not, a link with a token goes to a verified address.
    Absent users, and those whose sessions have ended since, start over."""

    allowed_callers = frozenset({"auth"})

    @extend_schema(**ENROL)
    def post(self, request: Request, user_id: UUID) -> Response:
        serializer = EnrolmentSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        proof = serializer.validated_data
        user = User.objects.find(id=user_id)
        if user is None or user.session_epoch != proof["epoch"]:
            raise TokenInvalid
        device, token = proof.get("device", ""), proof.get("token", "")
        return Response({"proved": enrolment.is_proved(user, device, token)})
