"""The JSON of WebAuthn (Level 3 section 5.1), for OpenAPI documents: browsers read and
write it by these names, and py_webauthn checks it."""

from typing import Any

from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from drf_spectacular.openapi import AutoSchema
from drf_spectacular.utils import Direction
from rest_framework import serializers

from shared.api.parsers import is_flat

Shape = type[serializers.Serializer[None]]
BYTES = "Base64url."
MOST_LEVELS = 16  # of a credential in JSON; browsers send four


class PublicKeyCredentialRpEntitySerializer(serializers.Serializer[None]):
    """The site that passkeys belong to."""

    name = serializers.CharField()
    id = serializers.CharField(help_text="The host name of the site.")


class PublicKeyCredentialUserEntityJSONSerializer(serializers.Serializer[None]):
    """The user for whom the passkey is made."""

    id = serializers.CharField(help_text=BYTES)
    name = serializers.CharField()
    displayName = serializers.CharField()


class PublicKeyCredentialParametersSerializer(serializers.Serializer[None]):
    """A signature algorithm that the site accepts."""

    type = serializers.ChoiceField(["public-key"])
    alg = serializers.IntegerField(help_text="The id in COSE (RFC 9053).")


class PublicKeyCredentialDescriptorJSONSerializer(serializers.Serializer[None]):
    """A passkey that is registered with the site."""

    type = serializers.ChoiceField(["public-key"])
    id = serializers.CharField(help_text=BYTES)
    transports = serializers.ListField(child=serializers.CharField(), required=False)


class AuthenticatorSelectionCriteriaSerializer(serializers.Serializer[None]):
    """What the site requires of an authenticator."""

    residentKey = serializers.ChoiceField(["required"])
    requireResidentKey = serializers.BooleanField()
    userVerification = serializers.ChoiceField(["required"])


class PublicKeyCredentialCreationOptionsJSONSerializer(serializers.Serializer[None]):
    """Pass this to `PublicKeyCredential.parseCreationOptionsFromJSON`, and the result
    to `navigator.credentials.create` as `publicKey`."""

    rp = PublicKeyCredentialRpEntitySerializer()
    user = PublicKeyCredentialUserEntityJSONSerializer()
    challenge = serializers.CharField(help_text=BYTES)
    pubKeyCredParams = PublicKeyCredentialParametersSerializer(many=True)
    timeout = serializers.IntegerField(help_text="Milliseconds.")
    excludeCredentials = PublicKeyCredentialDescriptorJSONSerializer(many=True)
    authenticatorSelection = AuthenticatorSelectionCriteriaSerializer()
    attestation = serializers.ChoiceField(["none"])


class PublicKeyCredentialRequestOptionsJSONSerializer(serializers.Serializer[None]):
    """Pass this to `PublicKeyCredential.parseRequestOptionsFromJSON`, and the result to
    `navigator.credentials.get` as `publicKey`."""

    challenge = serializers.CharField(help_text=BYTES)
    rpId = serializers.CharField()
    timeout = serializers.IntegerField(help_text="Milliseconds.")
    userVerification = serializers.ChoiceField(["required"])
    allowCredentials = PublicKeyCredentialDescriptorJSONSerializer(
        many=True, required=False
    )


class AuthenticatorAttestationResponseJSONSerializer(serializers.Serializer[None]):
    """The new passkey from the authenticator."""

    clientDataJSON = serializers.CharField(help_text=BYTES)
    attestationObject = serializers.CharField(help_text=BYTES)
    transports = serializers.ListField(child=serializers.CharField(), required=False)
    authenticatorData = serializers.CharField(required=False, help_text=BYTES)
    publicKey = serializers.CharField(required=False, help_text=BYTES)
    publicKeyAlgorithm = serializers.IntegerField(required=False)


class AuthenticatorAssertionResponseJSONSerializer(serializers.Serializer[None]):
    """The data that the authenticator has signed, and the signature."""

    clientDataJSON = serializers.CharField(help_text=BYTES)
    authenticatorData = serializers.CharField(help_text=BYTES)
    signature = serializers.CharField(help_text=BYTES)
    userHandle = serializers.CharField(required=False, help_text=BYTES)


class PublicKeyCredentialJSONSerializer(serializers.Serializer[None]):
    """`toJSON()` of a credential from the browser."""

    id = serializers.CharField(help_text=BYTES)
    rawId = serializers.CharField(help_text=BYTES)
    type = serializers.ChoiceField(["public-key"])
    authenticatorAttachment = serializers.CharField(required=False)
    clientExtensionResults = serializers.DictField(required=False)


class RegistrationResponseJSONSerializer(PublicKeyCredentialJSONSerializer):
    """`toJSON()` of the credential that `navigator.credentials.create` returns."""

    response = AuthenticatorAttestationResponseJSONSerializer()


class AuthenticationResponseJSONSerializer(PublicKeyCredentialJSONSerializer):
    """`toJSON()` of the credential that `navigator.credentials.get` returns."""

    response = AuthenticatorAssertionResponseJSONSerializer()


class CredentialField(serializers.DictField):
    """A credential, as it was sent: py_webauthn validates it. What could not be sent on
    to another service is refused: many levels, and numbers with a fraction or exponent,
    which no browser sends, and which may be longer when they are written again."""

    def __init__(self, shape: Shape, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.shape = shape

    def to_internal_value(self, data: Any) -> Any:
        if not is_flat(data, MOST_LEVELS, (float,)):
            raise serializers.ValidationError("This is no credential.", code="invalid")
        return super().to_internal_value(data)


class CredentialExtension(OpenApiSerializerFieldExtension):
    """Names the schema as the standard does, without the suffix `Request` of bodies."""

    target_class = CredentialField

    def map_serializer_field(
        self, auto_schema: AutoSchema, direction: Direction
    ) -> dict[str, Any]:
        ref: dict[str, Any] = auto_schema.resolve_serializer(
            self.target.shape, "response"
        ).ref
        return ref
