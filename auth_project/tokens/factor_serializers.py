"""Shapes of requests and answers about second factors."""

from typing import Any

from rest_framework import serializers

from shared.api.fields import (
    ExactCharField,
    OneOfSerializer,
    PasswordField,
    StrictSerializer,
)
from shared.api.openapi import ProblemSerializer
from shared.api.webauthn import (
    AuthenticationResponseJSONSerializer,
    CredentialField,
    PublicKeyCredentialRequestOptionsJSONSerializer,
)
from tokens.serializers import ExactBooleanField

FACTORS = ("passkey", "totp", "recovery_code")


class InvitationSerializer(serializers.Serializer[None]):
    """How a step-up continues: send `login` with one of `factors` to `step_up`."""

    login = serializers.CharField(help_text="Opaque. It grants nothing by itself.")
    expires_in = serializers.IntegerField(help_text="In seconds.")
    factors = serializers.ListField(
        child=serializers.ChoiceField([*FACTORS, "password"]),
        help_text="One of these is needed.",
    )
    passkey = PublicKeyCredentialRequestOptionsJSONSerializer(
        required=False, help_text="Present if `factors` has `passkey`."
    )


class PasskeyLoginOptionsSerializer(serializers.Serializer[None]):
    """How a login with a passkey alone continues: at `login/passkey`."""

    login = serializers.CharField(help_text="Opaque. It grants nothing by itself.")
    expires_in = serializers.IntegerField(help_text="In seconds.")
    passkey = PublicKeyCredentialRequestOptionsJSONSerializer()


class PasskeyLoginSerializer(StrictSerializer):
    """`login`, and the credential that the browser returned."""

    login = ExactCharField(max_length=64, help_text="From `login/passkey/options`.")
    credential = CredentialField(AuthenticationResponseJSONSerializer)


class LoginProblemSerializer(ProblemSerializer):
    """A problem. `second_factor_required` has members that say how to continue."""

    login = serializers.CharField(
        required=False, help_text="Opaque. Send it with a factor to continue."
    )
    expires_in = serializers.IntegerField(required=False, help_text="In seconds.")
    factors = serializers.ListField(
        child=serializers.ChoiceField(FACTORS), required=False
    )
    passkey = PublicKeyCredentialRequestOptionsJSONSerializer(required=False)
    enrol = serializers.BooleanField(
        required=False, help_text="If true, there is no factor yet: POST login/enrol."
    )


class TriesProblemSerializer(ProblemSerializer):
    """A problem that may say how many tries are left."""

    tries_left = serializers.IntegerField(
        required=False, help_text="Only for `second_factor_invalid`."
    )


class ProofSerializer(OneOfSerializer, StrictSerializer):
    """`login` and exactly one factor."""

    login = ExactCharField(max_length=64, help_text="From the answer that asks for it.")
    totp = ExactCharField(required=False, max_length=16, help_text="A code of an app.")
    recovery_code = ExactCharField(required=False, max_length=32)
    passkey: Any = CredentialField(AuthenticationResponseJSONSerializer, required=False)

    one_of = tuple((name,) for name in FACTORS)


class SecondFactorSerializer(ProofSerializer):
    """`login` and exactly one factor, for a login."""

    trust_device = ExactBooleanField(
        default=False, help_text="For 30 days, ask for no factor on this device."
    )


class StepUpSerializer(ProofSerializer):
    """`login` and exactly one factor, or the password of an account without factors."""

    password = PasswordField(required=False)

    one_of = (*ProofSerializer.one_of, ("password",))


class EnrolSerializer(StrictSerializer):
    """`login`, and perhaps the token from a mailed link or the code of an operator."""

    login = ExactCharField(max_length=64, help_text="From the answer with `enrol`.")
    token = ExactCharField(
        required=False, max_length=100, help_text="From a link, or an operator's code."
    )


class EnrolTokenSerializer(serializers.Serializer[None]):
    """A token with which the first factor can be added, at `me/factors`."""

    enrol_token = serializers.CharField()
    token_type = serializers.ChoiceField(["bearer"])
    expires_in = serializers.IntegerField(help_text="In seconds.")
