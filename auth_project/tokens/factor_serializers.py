"""Shapes of requests and answers about second factors."""

from typing import Any

from drf_spectacular.utils import OpenApiResponse
from rest_framework import serializers

from shared.api.fields import (
    ExactCharField,
    OneOfSerializer,
    PasswordField,
    StrictSerializer,
)
from shared.api.openapi import ProblemSerializer
from shared.api.problem_details import MEDIA_TYPE
from shared.api.webauthn import (
    AuthenticationResponseJSONSerializer,
    CredentialField,
    PublicKeyCredentialRequestOptionsJSONSerializer,
)
from tokens.serializers import ExactBooleanField

FACTORS = ("passkey", "totp", "recovery_code")


class InvitationSerializer(serializers.Serializer[None]):
    """What a login or step-up continues with."""

    login = serializers.CharField(help_text="Opaque; it opens nothing by itself.")
    expires_in = serializers.IntegerField(help_text="Seconds.")
    factors = serializers.ListField(
        child=serializers.ChoiceField([*FACTORS, "password"]),
        help_text="One of these is needed.",
    )
    passkey = PublicKeyCredentialRequestOptionsJSONSerializer(
        required=False, help_text="Where a passkey is among the factors."
    )


class PasskeyLoginOptionsSerializer(serializers.Serializer[None]):
    """What a login with a passkey alone continues with."""

    login = serializers.CharField(help_text="Opaque; it opens nothing by itself.")
    expires_in = serializers.IntegerField(help_text="Seconds.")
    passkey = PublicKeyCredentialRequestOptionsJSONSerializer()


class PasskeyLoginSerializer(StrictSerializer):
    """`login`, and what the browser has answered."""

    login = ExactCharField(max_length=64, help_text="Of `login/passkey/options`.")
    credential = CredentialField(AuthenticationResponseJSONSerializer)


class LoginProblemSerializer(ProblemSerializer):
    """A problem whose members say how the login continues."""

    login = serializers.CharField(
        required=False, help_text="For second_factor_required, as all that follow."
    )
    expires_in = serializers.IntegerField(required=False, help_text="Seconds.")
    factors = serializers.ListField(
        child=serializers.ChoiceField(FACTORS), required=False
    )
    passkey = PublicKeyCredentialRequestOptionsJSONSerializer(required=False)
    enrol = serializers.BooleanField(
        required=False, help_text="There is no factor yet: POST login/enrol."
    )


class TriesProblemSerializer(ProblemSerializer):
    """A problem that says how often the login can still be tried."""

    tries_left = serializers.IntegerField(
        required=False, help_text="For second_factor_invalid."
    )


def with_login(responses: dict[Any, OpenApiResponse]) -> dict[Any, OpenApiResponse]:
    """Describe the members of `second_factor_required` in the 401 of an operation."""
    responses[401, MEDIA_TYPE].response = LoginProblemSerializer
    return responses


def with_tries(responses: dict[Any, OpenApiResponse]) -> dict[Any, OpenApiResponse]:
    """Describe the member of `second_factor_invalid` in the 401 of an operation."""
    responses[401, MEDIA_TYPE].response = TriesProblemSerializer
    return responses


class ProofSerializer(OneOfSerializer, StrictSerializer):
    """`login` and exactly one factor."""

    login = ExactCharField(max_length=64, help_text="Of the answer that asked for it.")
    totp = ExactCharField(required=False, max_length=16, help_text="Of an app.")
    recovery_code = ExactCharField(required=False, max_length=32)
    passkey: Any = CredentialField(AuthenticationResponseJSONSerializer, required=False)

    one_of = tuple((name,) for name in FACTORS)


class SecondFactorSerializer(ProofSerializer):
    """`login` and exactly one factor, for a login."""

    trust_device = ExactBooleanField(
        default=False, help_text="Ask for no factor here for 30 days."
    )


class StepUpSerializer(ProofSerializer):
    """`login` and exactly one factor; the password of an account without one."""

    password = PasswordField(required=False)

    one_of = (*ProofSerializer.one_of, ("password",))


class EnrolSerializer(StrictSerializer):
    """`login`, and what a mail or an operator has given, if anything."""

    login = ExactCharField(max_length=64, help_text="Of the answer with `enrol`.")
    token = ExactCharField(
        required=False, max_length=100, help_text="Of a link, or an operator's code."
    )


class EnrolTokenSerializer(serializers.Serializer[None]):
    """A token for `me/factors` alone."""

    enrol_token = serializers.CharField()
    token_type = serializers.ChoiceField(["bearer"])
    expires_in = serializers.IntegerField(help_text="Seconds.")
