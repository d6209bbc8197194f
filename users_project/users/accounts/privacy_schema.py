"""Deletion, restoring and export: serializers of requests and answers, and OpenAPI
descriptions."""

from typing import Any

from django.contrib.admin.models import LogEntry
from django.db.models import Model
from drf_spectacular.utils import OpenApiParameter, OpenApiResponse
from rest_framework import serializers

from shared.events.pages import EventSerializer
from users.accounts.models import Link, Registration
from users.accounts.serializers import TokenSerializer
from users.factors.models import Factor, FactorReset, RecoveryCode
from users.mail.models import Mail
from users.models import EmailChange, User
from users.openapi import ADA, PASSWORD, STEP_UP, answer, example
from users.serializers import CurrentPasswordSerializer, UserSerializer


class DeletionSerializer(CurrentPasswordSerializer):
    """The proof that it is the user who deletes the account."""


class DeletedSerializer(serializers.Serializer[User]):
    restorable_until = serializers.DateTimeField(help_text="Then it is erased.")


class ExportedUserSerializer(UserSerializer):
    """The account, with all stored data about its user."""

    locale = serializers.CharField()
    email_verified_at = serializers.DateTimeField(allow_null=True)
    last_login = serializers.DateTimeField(allow_null=True, help_text="The last login.")
    is_staff = serializers.BooleanField()
    is_superuser = serializers.BooleanField()


def exported(model: type[Model], *fields: str) -> Any:
    """A serializer of these columns. Secrets such as tokens must not be among them."""
    options = {"model": model, "fields": fields, "read_only_fields": fields}
    meta = type("Meta", (), options)
    name = f"Exported{model.__name__}Serializer"
    return type(name, (serializers.ModelSerializer,), {"Meta": meta})(many=True)


class ExportedSessionSerializer(serializers.Serializer[None]):
    """A session, as the Auth Service stores it."""

    id = serializers.UUIDField()
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
    ip = serializers.CharField(allow_null=True, help_text="Its network.")
    device = serializers.CharField()
    user_agent = serializers.CharField()
    acr = serializers.CharField(help_text="The level: `aal1` or `aal2`.")
    amr = serializers.CharField(help_text="The methods of the login (RFC 8176).")
    stepped_up_at = serializers.DateTimeField(allow_null=True)
    revoked_at = serializers.DateTimeField(allow_null=True)
    revoked_reason = serializers.CharField()


class OwnDataSerializer(serializers.Serializer[None]):
    """What the User Service stores about a user, without events."""

    exported_at = serializers.DateTimeField()
    user = ExportedUserSerializer()
    permissions = serializers.ListField(child=serializers.CharField())
    email_changes = exported(EmailChange, "email", "created_at", "expires_at")
    registrations = exported(
        Registration,
        *("email", "username", "first_name", "last_name", "display_name"),
        *("avatar_url", "locale", "created_at"),
    )
    links = exported(Link, "purpose", "address", "created_at", "expires_at", "used_at")
    mails = exported(
        Mail,
        *("kind", "address", "locale", "context"),
        *("created_at", "sent_at", "failed_at"),
    )
    factors = exported(
        Factor,
        *("type", "name", "created_at", "confirmed_at", "last_used_at"),
        *("transports", "backed_up", "suspect_at"),
    )
    recovery_codes = exported(RecoveryCode, "used_at")
    factor_resets = exported(FactorReset, "reason", "created_at", "due_at")
    admin_history = exported(LogEntry, "action_time", "object_repr", "change_message")


class ExportSerializer(OwnDataSerializer):
    """All data that both services store about a user."""

    events = EventSerializer(many=True)
    sessions = ExportedSessionSerializer(many=True)


TIME = "2026-01-31T12:00:00.123456Z"
EXPORTED: dict[str, Any] = {name: [] for name in ExportSerializer().get_fields()}
EXPORTED["exported_at"] = TIME
EXPORTED["user"] = {
    **ADA,
    **{"locale": "en", "email_verified_at": None, "last_login": None},
    **{"is_staff": False, "is_superuser": False},
}
DELETE_ME: dict[str, Any] = {
    "operation_id": "users_delete_me",
    "request": DeletionSerializer,
    "responses": {
        202: DeletedSerializer,
        401: STEP_UP,
        409: ("last_superuser",),
    },
    "examples": [
        example("a deletion", {"current_password": PASSWORD["password"]}),
        answer({"restorable_until": TIME}, status=202),
    ],
}
DISPOSITION = OpenApiParameter(
    name="Content-Disposition",
    location=OpenApiParameter.HEADER,
    response=[200],
    description="The name of the file.",
)
EXPORT: dict[str, Any] = {
    "operation_id": "users_export",
    "parameters": [DISPOSITION],
    "responses": {200: ExportSerializer, 401: STEP_UP},
    "examples": [answer(EXPORTED)],
}
RESTORE: dict[str, Any] = {
    "operation_id": "users_restore",
    "request": TokenSerializer,
    "responses": {
        204: OpenApiResponse(description="The account is restored, without sessions."),
        400: ("link_invalid",),
    },
}
