"""The OpenAPI descriptions of factors, for `extend_schema`."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse

from users.factors import serializers
from users.openapi import ADA, STEP_UP, VERIFIED, answer, example

METHODS = {"methods": ["totp", "recovery_code"], "passkeys": [], "required": False}

FACTORS: dict[str, Any] = {
    "operation_id": "users_factors",
    "responses": {
        200: serializers.FactorMethodsSerializer,
        404: ("user_not_found",),
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
        401: ("second_factor_invalid", "invalid_credentials", "token_invalid"),
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
        401: ("invalid_credentials",),
    },
    "examples": [answer({**FACTOR, "amr": ["hwk", "user"]})],
}

ENROL: dict[str, Any] = {
    "operation_id": "users_factors_enrol",
    "request": serializers.EnrolmentSerializer,
    "responses": {
        200: serializers.ProvedSerializer,
        400: ("link_invalid",),
        401: ("token_invalid",),
    },
    "examples": [example("a login", {"epoch": 3})],
}

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
    "responses": {200: serializers.OwnFactorsSerializer},
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
    "responses": {201: serializers.NewTOTPSerializer, 401: STEP_UP},
    "examples": [example("a phone", {"name": "phone"}), answer(NEW_TOTP, 201)],
}
CONFIRM_TOTP: dict[str, Any] = {
    "operation_id": "users_confirm_totp",
    "request": serializers.CodeSerializer,
    "responses": {200: serializers.RecoveryCodesSerializer, 401: STEP_UP},
    "examples": [example("a code", {"code": "123456"}), answer(CODES)],
}
RENAME_FACTOR: dict[str, Any] = {
    "operation_id": "users_rename_factor",
    "request": serializers.NewNameSerializer,
    "responses": {200: serializers.FactorSerializer, 401: STEP_UP},
    "examples": [example("a name", {"name": "phone"}), answer(PHONE)],
}
REMOVE_FACTOR: dict[str, Any] = {
    "operation_id": "users_remove_factor",
    "request": None,
    "responses": {
        204: OpenApiResponse(description="The factor is removed."),
        401: STEP_UP,
        409: ("last_factor",),
    },
}
RECOVERY_CODES: dict[str, Any] = {
    "operation_id": "users_replace_recovery_codes",
    "request": None,
    "responses": {200: serializers.RecoveryCodesSerializer, 401: STEP_UP},
    "examples": [answer(CODES)],
}
DROP_PASSWORD: dict[str, Any] = {
    "operation_id": "users_drop_password",
    "request": None,
    "responses": {
        204: OpenApiResponse(description="The password is removed."),
        401: STEP_UP,
        409: ("last_factor",),
    },
}

PASSKEY_OPTIONS: dict[str, Any] = {
    "operation_id": "users_passkey_options",
    "request": None,
    "responses": {
        200: serializers.PasskeyOptionsSerializer,
        401: STEP_UP,
        409: ("factor_limit",),
    },
}
ADD_PASSKEY: dict[str, Any] = {
    "operation_id": "users_add_passkey",
    "request": serializers.NewPasskeySerializer,
    "responses": {
        201: serializers.AddedFactorSerializer,
        401: STEP_UP,
        409: ("factor_limit",),
    },
    "examples": [answer({"id": ADA["id"], **CODES}, 201)],
}
