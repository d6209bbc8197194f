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
    personal_name,
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
    """One factor, or the password of a user without factors, from a client."""

    epoch = EpochField(help_text="The user's at the start. If it changed, start over.")
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
    """The proofs of a user whose password was right."""

    epoch = EpochField(help_text="The user's epoch when the password was verified.")
    device = ExactCharField(required=False, allow_blank=True, max_length=1024)
    token = ExactCharField(required=False, max_length=100, help_text="From a link.")


class ProvedSerializer(serializers.Serializer[None]):
    proved = serializers.BooleanField(help_text="If not, a link may have been mailed.")


class VerifiedFactorSerializer(VerifiedSerializer):
    """The user whose factor was right, and its methods."""

    device = serializers.CharField(required=False)
    amr = serializers.ListField(
        child=serializers.CharField(), help_text="Of this factor alone (RFC 8176)."
    )


class FactorMethodsSerializer(MethodsSerializer):
    """The second factors of a user, and whether there is a password."""

    has_password = serializers.BooleanField()


class PasskeyAttemptSerializer(serializers.Serializer[None]):
    """The credential that a passkey has signed, and the client that sent it."""

    challenge = Base64URLField(max_length=128)
    credential = CredentialField(AuthenticationResponseJSONSerializer)
    client = ClientSerializer(required=False)
    device = ExactCharField(required=False, allow_blank=True, max_length=1024)


class NameSerializer(StrictSerializer):
    """The name that the user gives a factor."""

    name = personal_name(max_length=64, default="")


class NewNameSerializer(NameSerializer):
    name = TextField(max_length=64, validators=[validators.validate_name])


class CodeSerializer(StrictSerializer):
    """A code of the new TOTP."""

    code = TextField(max_length=16)


class FactorSerializer(serializers.ModelSerializer[Factor]):
    """A factor. Only passkeys have `backed_up` (synchronised, so not lost with the
    device) and `suspect_at` (when its counter went back: it is refused since then)."""

    backed_up = serializers.BooleanField(required=False)
    suspect_at = serializers.DateTimeField(required=False, allow_null=True)

    class Meta:
        model = Factor
        fields = (
            *("id", "type", "name", "created_at", "last_used_at"),
            *("backed_up", "suspect_at"),
        )
        read_only_fields = fields

    def to_representation(self, instance: Factor) -> Any:
        shown = super().to_representation(instance)
        if instance.type != Type.PASSKEY:
            del shown["backed_up"], shown["suspect_at"]
        return shown


class OwnFactorsSerializer(serializers.Serializer[None]):
    """The factors with which the user can log in, with or without a password."""

    factors = FactorSerializer(many=True)
    recovery_codes_left = serializers.IntegerField()
    required = serializers.BooleanField(  # type: ignore[assignment]
        help_text="If true, the last factor cannot be removed."
    )
    has_password = serializers.BooleanField(
        help_text="If false, the last passkey cannot be removed."
    )


class NewTOTPSerializer(serializers.Serializer[None]):
    """The secret for the app. It is shown only once."""

    id = serializers.UUIDField()
    secret = serializers.CharField(help_text="base32.")
    uri = serializers.CharField(help_text="An otpauth URI, for a QR code.")
    expires_in = serializers.IntegerField(help_text="Seconds left for its first code.")


class RecoveryCodesSerializer(serializers.Serializer[None]):
    """Recovery codes. Each replaces a factor once. They are shown only here."""

    recovery_codes = serializers.ListField(
        child=serializers.CharField(), help_text="Empty if there are no new codes."
    )


class NewPasskeySerializer(NameSerializer):
    """The credential that the browser has made for the options, and its name."""

    credential = CredentialField(RegistrationResponseJSONSerializer)


class PasskeyOptionsSerializer(serializers.Serializer[None]):
    """The options with which the browser makes a passkey."""

    expires_in = serializers.IntegerField(help_text="In seconds.")
    passkey = PublicKeyCredentialCreationOptionsJSONSerializer()


class AddedFactorSerializer(RecoveryCodesSerializer):
    id = serializers.UUIDField()
