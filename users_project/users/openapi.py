"""The OpenAPI descriptions of the operations, for `extend_schema`."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiParameter, OpenApiResponse

from shared.api.openapi import TOKEN_PROBLEMS
from shared.events.pages import EventPageSerializer, EventQuerySerializer
from users import serializers

PROFILE = {
    "first_name": "Ada",
    "last_name": "Lovelace",
    "display_name": "Ada",
    "avatar_url": "https://example.org/ada.png",
}
NAMES = {"username": "ada", "email": "ada@example.org"}
PASSWORD = {"password": "correct horse battery staple"}
STEP_UP = (*TOKEN_PROBLEMS, "insufficient_user_authentication")
ADA = {
    "id": "5f0c8a53-8a5e-4f0e-9d43-0d8f9bd1a1c4",
    **NAMES,
    "email_verified": False,
    **PROFILE,
    "locale": "en",
    "is_active": True,
    "is_deleted": False,
    "deleted_at": None,
    "created_at": "2026-01-31T12:00:00.123456Z",
    "updated_at": "2026-01-31T12:00:00.123456Z",
    "roles": ["editor"],
}
MINE = {**ADA, "pending_email": None, "last_login_at": "2026-01-31T12:00:00.123456Z"}
LOCATION = OpenApiParameter(
    name="Location",
    location=OpenApiParameter.HEADER,
    response=[201],
    description="`/api/v1/users/me`: the account, for its user after a login.",
)


def example(name: str, value: dict[str, Any]) -> OpenApiExample:
    """An example of a request."""
    return OpenApiExample(name, value=value, request_only=True)


def answer(value: dict[str, Any], status: int = 200) -> OpenApiExample:
    return OpenApiExample(
        "a user", value=value, response_only=True, status_codes=[str(status)]
    )


ME: dict[str, Any] = {
    "operation_id": "users_me",
    "responses": {200: serializers.MeSerializer},
    "examples": [answer(MINE)],
}

EVENTS: dict[str, Any] = {
    "operation_id": "users_events",
    "parameters": [EventQuerySerializer],
    "responses": {200: EventPageSerializer, 400: ("validation_error",)},
    "examples": [
        answer(
            {
                "events": [
                    {
                        "at": "2026-01-31T12:00:00.123456Z",
                        "event": "authn_login_success",
                        "outcome": "success",
                        "actor": "user",
                        "sid": "0b9d7a53-8a5e-4f0e-9d43-0d8f9bd1a1c4",
                        "network": "192.0.2.0/24",
                        "device": "Firefox on Linux",
                    }
                ],
                "next": None,
            }
        )
    ],
}

UPDATE_ME: dict[str, Any] = {
    "operation_id": "users_update_me",
    "request": serializers.ProfileSerializer,
    "responses": {200: serializers.MeSerializer},
    "examples": [
        example("one", {"display_name": "Ada"}),
        example("all", {**PROFILE, "locale": "de"}),
        answer(MINE),
    ],
}

CHANGE_PASSWORD: dict[str, Any] = {
    "operation_id": "users_change_password",
    "request": serializers.PasswordChangeSerializer,
    "responses": {
        204: OpenApiResponse(description="The password is changed."),
        401: STEP_UP,
    },
    "examples": [
        example(
            "a change",
            {
                "current_password": "correct horse battery staple",
                "new_password": "a newer horse battery",
            },
        )
    ],
}

END_SESSIONS: dict[str, Any] = {
    "operation_id": "users_end_sessions",
    "request": serializers.EndSessionsSerializer,
    "responses": {
        200: serializers.SessionEpochSerializer,
        404: ("user_not_found",),
    },
    "examples": [answer({"session_epoch": 4, "kept_from": None})],
}

LOOKUP: dict[str, Any] = {
    "operation_id": "users_lookup",
    "request": serializers.LookupSerializer,
    "responses": {200: serializers.FoundSerializer},
    "examples": [
        example("by username", {"identifier": "ada"}),
        answer({"ids": [ADA["id"]]}),
    ],
}

USER: dict[str, Any] = {
    "operation_id": "users_get",
    "responses": {200: serializers.KnownUserSerializer, 404: ("user_not_found",)},
    "examples": [
        answer(
            {
                **ADA,
                **{"session_epoch": 3, "kept_sid": None, "kept_from": None},
                "second_factor_required": False,
            }
        )
    ],
}

VERIFIED = {
    "sub": ADA["id"],
    **NAMES,
    "email_verified": False,
    "roles": ADA["roles"],
    "session_epoch": 3,
    "device": "W10:1r0Xyz:c2lnbmF0dXJl",
    "factors": {"methods": [], "passkeys": [], "required": False, "trusted": False},
}
VERIFY: dict[str, Any] = {
    "operation_id": "users_verify",
    "request": serializers.LoginAttemptSerializer,
    "responses": {
        200: serializers.VerifiedUserSerializer,
        401: ("invalid_credentials",),
    },
    "examples": [
        example("by e-mail", {"email": "ada@example.org", **PASSWORD}),
        example("by username", {"username": "ada", **PASSWORD}),
        answer(VERIFIED),
    ],
}
