"""Shapes of requests and answers about factors."""

import binascii
from base64 import b64decode
from typing import Any

from rest_framework import serializers

from shared.api.fields import (
    EpochField,
    ExactCharField,
    OneOfSerializer,
    PasswordField,
    StrictSerializer,
)
from shared.api.webauthn import (
    AuthenticationResponseJSONSerializer,
    CredentialField,
    PublicKeyCredentialCreationOptionsJSONSerializer,
    RegistrationResponseJSONSerializer,
)
from users import validators
from users.factors.models import Factor, Type
from users.serializers import (
    ClientSerializer,
    MethodsSerializer,
    TextField,
    VerifiedSerializer,
    optional,
)


class Base64URLField(ExactCharField):
    """Bytes in base64url, without padding (RFC 4648, section 5)."""

    def to_internal_value(self, data: Any) -> Any:
        text = super().to_internal_value(data)
        try:
            padded = text + "=" * (-len(text) % 4)
            return b64decode(padded, altchars=b"-_", validate=True)
        except (binascii.Error, ValueError):
            self.fail("invalid")


class FactorAttemptSerializer(OneOfSerializer):
    """One factor, or the password of a user without one, and who tries it."""

    epoch = EpochField(help_text="The user's when this began; another starts it over.")
    totp = optional(max_length=16)
    recovery_code = optional(max_length=32)
    passkey = CredentialField(AuthenticationResponseJSONSerializer, required=False)
    challenge = Base64URLField(required=False, max_length=128)
    password = PasswordField(required=False)
    sid = serializers.UUIDField(required=False, help_text="The session of a step-up.")
    client = ClientSerializer(required=False)
    device = ExactCharField(required=False, allow_blank=True, max_length=1024)
    trust_device = serializers.BooleanField(required=False)

    one_of = (
        *(("totp",), ("recovery_code",)),
        *(("passkey", "challenge"), ("password", "sid")),
    )


class EnrolmentSerializer(serializers.Serializer[None]):
    """What comes with a password that was right."""

    epoch = EpochField(help_text="Of the user, when the password was looked at.")
    device = ExactCharField(required=False, allow_blank=True, max_length=1024)
    token = ExactCharField(required=False, max_length=100, help_text="Of a link.")


class ProvedSerializer(serializers.Serializer[None]):
    proved = serializers.BooleanField(help_text="If not, a link was mailed.")


class VerifiedFactorSerializer(VerifiedSerializer):
    """Whose factor it is, and which."""

    device = serializers.CharField(required=False)
    amr = serializers.ListField(
        child=serializers.CharField(), help_text="RFC 8176, of this factor alone."
    )


class FactorMethodsSerializer(MethodsSerializer):
    """As at a login."""

    has_password = serializers.BooleanField()


class PasskeyAttemptSerializer(serializers.Serializer[None]):
    """What a passkey has signed, and who tries it."""

    challenge = Base64URLField(max_length=128)
    credential = CredentialField(AuthenticationResponseJSONSerializer)
    client = ClientSerializer(required=False)
    device = ExactCharField(required=False, allow_blank=True, max_length=1024)


class NameSerializer(StrictSerializer):
    """What the user calls a factor."""

    name = TextField(
        max_length=64,
        default="",
        allow_blank=True,
        validators=[validators.validate_name],
        help_text="No control or invisible characters.",
    )


class NewNameSerializer(NameSerializer):
    name = TextField(max_length=64, validators=[validators.validate_name])


class CodeSerializer(StrictSerializer):
    """A code of the app that is new."""

    code = TextField(max_length=16)


class FactorSerializer(serializers.ModelSerializer[Factor]):
    """A factor. Of passkeys alone: `backed_up`, synchronised, so not lost with the
    device; `suspect_at`, when its counter went back, since when it is refused."""

    backed_up = serializers.BooleanField(required=False)
    suspect_at = serializers.DateTimeField(required=False, allow_null=True)

    class Meta:
        model = Factor
        fields = (
            *("id", "type", "name", "created_at", "last_used_at"),
            *("backed_up", "suspect_at"),
        )

    def to_representation(self, instance: Factor) -> Any:
        shown = super().to_representation(instance)
        if instance.type != Type.PASSKEY:
            del shown["backed_up"], shown["suspect_at"]
        return shown


class OwnFactorsSerializer(serializers.Serializer[None]):
    """What the user can log in with, after a password or in its place."""

    factors = FactorSerializer(many=True)
    recovery_codes_left = serializers.IntegerField()
    required = serializers.BooleanField(  # type: ignore[assignment]
        help_text="The last factor cannot be removed."
    )
    has_password = serializers.BooleanField(
        help_text="Without one, the last passkey cannot be removed."
    )


class NewTOTPSerializer(serializers.Serializer[None]):
    """What an app needs. It is shown once."""

    id = serializers.UUIDField()
    secret = serializers.CharField(help_text="base32.")
    uri = serializers.CharField(help_text="otpauth, for a QR code.")
    expires_in = serializers.IntegerField(help_text="Seconds to confirm it in.")


class RecoveryCodesSerializer(serializers.Serializer[None]):
    """Each stands in for a factor once. They are shown once."""

    recovery_codes = serializers.ListField(
        child=serializers.CharField(), help_text="None, unless they are new."
    )


class NewPasskeySerializer(NameSerializer):
    """What the browser has made for the last options."""

    credential = CredentialField(RegistrationResponseJSONSerializer)


class PasskeyOptionsSerializer(serializers.Serializer[None]):
    """What a browser makes a passkey for."""

    expires_in = serializers.IntegerField(help_text="Seconds.")
    passkey = PublicKeyCredentialCreationOptionsJSONSerializer()


class AddedFactorSerializer(RecoveryCodesSerializer):
    id = serializers.UUIDField()
