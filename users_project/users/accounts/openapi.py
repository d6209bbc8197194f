"""The OpenAPI descriptions of registration, mails and links."""

from typing import Any

from drf_spectacular.utils import OpenApiExample, OpenApiResponse

from shared.api.openapi import TOKEN_PROBLEMS
from users.accounts import serializers as s
from users.openapi import (
    ADA,
    LOCATION,
    NAMES,
    PASSWORD,
    PROFILE,
    STEP_UP,
    answer,
    example,
)
from users.serializers import RegistrationSerializer, UserSerializer

TOKEN = {"token": "3mNvYq0kTkCwv0o5b8Yp1Q" + "A" * 42}
ADDRESS = {"email": "ada@example.org"}
NEW_EMAIL = {"new_email": "ada@example.com"}
EXPIRES = {"expires_at": "2026-02-01T12:00:00.123456Z"}
PENDING = {"pending_email": "ada@example.com", **EXPIRES}
ACCEPTED = OpenApiExample(
    "accepted", value=s.ACCEPTED, response_only=True, status_codes=["202"]
)
# Requests with a link. An access token is optional.
LINK_PROBLEMS = ("link_invalid",)
PASSWORD_PROBLEMS = ("invalid_credentials", "second_factor_required")
PROOF_PROBLEMS = (*PASSWORD_PROBLEMS, *TOKEN_PROBLEMS[1:])


def done(text: str) -> dict[int, OpenApiResponse]:
    return {204: OpenApiResponse(description=text)}


REGISTRATION: dict[str, Any] = {
    "operation_id": "users_register",
    "request": RegistrationSerializer,
    "parameters": [LOCATION],
    "responses": {
        201: UserSerializer,
        202: s.AcceptedSerializer,
        409: ("account_exists", "username_taken"),
    },
    "examples": [
        example("least", NAMES | PASSWORD),
        example("all", NAMES | PASSWORD | PROFILE | {"locale": "en"}),
        answer({**ADA, "roles": []}, status=201),
        ACCEPTED,
    ],
}

VERIFY_EMAIL: dict[str, Any] = {
    "operation_id": "users_verify_email",
    "request": s.VerifyEmailSerializer,
    "responses": {
        **done("The address is verified, and belongs to an account."),
        409: ("username_taken",),
    },
    "examples": [example("a link", TOKEN | PASSWORD)],
}

RESEND: dict[str, Any] = {
    "operation_id": "users_resend_verification",
    "request": s.AddressSerializer,
    "responses": {202: s.AcceptedSerializer},
    "examples": [example("an address", ADDRESS), ACCEPTED],
}

PASSWORD_RESET: dict[str, Any] = {**RESEND, "operation_id": "users_password_reset"}

CONFIRM_PASSWORD_RESET: dict[str, Any] = {
    "operation_id": "users_confirm_password_reset",
    "request": s.PasswordResetSerializer,
    "responses": {
        **done("The new password is set, and all sessions have ended."),
        400: LINK_PROBLEMS,
    },
    "examples": [example("a link", {**TOKEN, "new_password": "a newer horse battery"})],
}

CHANGE_EMAIL: dict[str, Any] = {
    "operation_id": "users_change_email",
    "request": s.EmailChangeSerializer,
    "responses": {202: s.PendingEmailSerializer, 401: STEP_UP},
    "examples": [
        example("a change", NEW_EMAIL | {"current_password": PASSWORD["password"]}),
        answer(PENDING, status=202),
    ],
}

CANCEL_EMAIL_CHANGE: dict[str, Any] = {
    "operation_id": "users_cancel_email_change",
    "request": None,
    "responses": done("No change is pending, and an old link is void."),
}

CONFIRM_EMAIL_CHANGE: dict[str, Any] = {
    "operation_id": "users_confirm_email_change",
    "request": s.ProofSerializer,
    "responses": {
        **done("The account has the new address."),
        409: ("account_exists",),
    },
    "examples": [example("a link", TOKEN | PASSWORD)],
}

UNDO_EMAIL_CHANGE: dict[str, Any] = {
    "operation_id": "users_undo_email_change",
    "request": s.TokenSerializer,
    "responses": {
        **done("The account has its old address, and no session or password."),
        400: LINK_PROBLEMS,
        409: ("account_exists",),
    },
    "examples": [example("a link", TOKEN)],
}

CANCEL_FACTORS_RESET: dict[str, Any] = {
    "operation_id": "users_cancel_factors_reset",
    "request": s.TokenSerializer,
    "responses": {
        **done("The second factors stay."),
        400: LINK_PROBLEMS,
    },
    "examples": [example("a link", TOKEN)],
}
