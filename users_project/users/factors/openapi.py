"""The OpenAPI descriptions of factors, for `extend_schema`."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse

from shared.api.openapi import TOKEN_PROBLEMS, problems
from users.factors import serializers
from users.openapi import ADA, SERVICE_PROBLEMS, STEP_UP, VERIFIED, answer, example

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
            _404=("not_found",),
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

ENROL: dict[str, Any] = {
    "operation_id": "users_factors_enrol",
    "request": serializers.EnrolmentSerializer,
    "responses": {
        200: serializers.ProvedSerializer,
        **problems(
            body=True,
            _400=("link_invalid",),
            _401=("token_invalid", "service_auth_failed"),
            _403=("forbidden",),
            _404=("not_found",),
        ),
    },
    "examples": [example("a login", {"epoch": 3})],
}

UNKNOWN: dict[str, Any] = {"_401": STEP_UP, "_404": ("not_found",)}
PHONE = {
    **{"id": ADA["id"], "type": "totp", "name": "phone"},
    **{"created_at": ADA["created_at"], "last_used_at": None},
}
KEY = {
    **PHONE,
    "type": "passkey",
    "name": "key",
    "backed_up": False,
    "suspect_at": None,
}
CODES = {"recovery_codes": ["7XKM-2Q9D-HN4T-VB0C"]}
NEW_TOTP = {
    "id": PHONE["id"],
    "secret": "JBSWY3DPEHPK3PXPJBSWY3DPEHPK3PXP",
    "uri": "otpauth://totp/memo.example:ada%40example.org?secret=JBSWY3DPEHPK3PXPJBSWY3D"
    "PEHPK3PXP&issuer=memo.example",
    "expires_in": 600,
}

OWN_FACTORS: dict[str, Any] = {
    "operation_id": "users_me_factors",
    "responses": {
        200: serializers.OwnFactorsSerializer,
        **problems(_401=TOKEN_PROBLEMS, _404=("not_found",)),
    },
    "examples": [
        answer(
            {
                **{"factors": [PHONE, KEY], "recovery_codes_left": 9},
                **{"required": False, "has_password": True},
            }
        )
    ],
}
ADD_TOTP: dict[str, Any] = {
    "operation_id": "users_add_totp",
    "request": serializers.NameSerializer,
    "responses": {
        201: serializers.NewTOTPSerializer,
        **problems(body=True, **UNKNOWN),
    },
    "examples": [example("a phone", {"name": "phone"}), answer(NEW_TOTP, 201)],
}
CONFIRM_TOTP: dict[str, Any] = {
    "operation_id": "users_confirm_totp",
    "request": serializers.CodeSerializer,
    "responses": {
        200: serializers.RecoveryCodesSerializer,
        **problems(body=True, **UNKNOWN),
    },
    "examples": [example("a code", {"code": "123456"}), answer(CODES)],
}
RENAME_FACTOR: dict[str, Any] = {
    "operation_id": "users_rename_factor",
    "request": serializers.NewNameSerializer,
    "responses": {200: serializers.FactorSerializer, **problems(body=True, **UNKNOWN)},
    "examples": [example("a name", {"name": "phone"}), answer(PHONE)],
}
REMOVE_FACTOR: dict[str, Any] = {
    "operation_id": "users_remove_factor",
    "request": None,
    "responses": {
        204: OpenApiResponse(description="The factor is removed."),
        **problems(**UNKNOWN, _409=("last_factor",)),
    },
}
RECOVERY_CODES: dict[str, Any] = {
    "operation_id": "users_replace_recovery_codes",
    "request": None,
    "responses": {200: serializers.RecoveryCodesSerializer, **problems(**UNKNOWN)},
    "examples": [answer(CODES)],
}
DROP_PASSWORD: dict[str, Any] = {
    "operation_id": "users_drop_password",
    "request": None,
    "responses": {
        204: OpenApiResponse(description="The password is removed."),
        **problems(**UNKNOWN, _409=("last_factor",)),
    },
}

PASSKEY_OPTIONS: dict[str, Any] = {
    "operation_id": "users_passkey_options",
    "request": None,
    "responses": {
        200: serializers.PasskeyOptionsSerializer,
        **problems(**UNKNOWN, _409=("factor_limit",)),
    },
}
ADD_PASSKEY: dict[str, Any] = {
    "operation_id": "users_add_passkey",
    "request": serializers.NewPasskeySerializer,
    "responses": {
        201: serializers.AddedFactorSerializer,
        **problems(body=True, **UNKNOWN, _409=("factor_limit",)),
    },
    "examples": [answer({"id": ADA["id"], **CODES}, 201)],
}
