"""What the OpenAPI description says of factors: for `extend_schema`."""

from typing import Any

from shared.api.openapi import problems
from users.factors import serializers
from users.openapi import SERVICE_PROBLEMS, VERIFIED, answer, example

METHODS = {"methods": ["totp", "recovery_code"], "passkeys": [], "required": False}

FACTORS: dict[str, Any] = {
    "operation_id": "users_factors",
    "responses": {
        200: serializers.FactorMethodsSerializer,
        **problems(**SERVICE_PROBLEMS),
    },
    "examples": [answer({**METHODS, "has_password": True})],
}

CLIENT = {"ip": "192.0.2.7", "user_agent": "Firefox"}
FACTOR = {name: VERIFIED[name] for name in VERIFIED.keys() - {"factors"}}
VERIFY_FACTOR: dict[str, Any] = {
    "operation_id": "users_verify_factor",
    "request": serializers.FactorAttemptSerializer,
    "responses": {
        200: serializers.VerifiedFactorSerializer,
        **problems(
            body=True,
            _401=(
                "second_factor_invalid",
                "invalid_credentials",
                "token_invalid",
                "service_auth_failed",
            ),
            _403=("forbidden",),
        ),
    },
    "examples": [
        example("a code", {"epoch": 3, "totp": "123456", "client": CLIENT}),
        answer({**FACTOR, "amr": ["otp"]}),
    ],
}

VERIFY_PASSKEY: dict[str, Any] = {
    "operation_id": "users_verify_passkey",
    "request": serializers.PasskeyAttemptSerializer,
    "responses": {
        200: serializers.VerifiedFactorSerializer,
        **problems(
            body=True,
            _401=("invalid_credentials", "service_auth_failed"),
            _403=("forbidden",),
        ),
    },
    "examples": [answer({**FACTOR, "amr": ["hwk", "user"]})],
}
