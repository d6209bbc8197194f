"""Shapes of requests and answers."""

from rest_framework import serializers

from shared.fields import ExactCharField
from shared.tokens import MAX_LENGTH


class GrantSerializer(serializers.Serializer[None]):
    """RFC 6749 section 5.1. The refresh token is in the cookie and never here."""

    access_token = serializers.CharField()
    token_type = serializers.ChoiceField(["bearer"])
    expires_in = serializers.IntegerField(min_value=0, help_text="Seconds.")


class MessageSerializer(serializers.Serializer[None]):
    message = serializers.CharField()


class TokenSerializer(serializers.Serializer[None]):
    token = ExactCharField(max_length=MAX_LENGTH, help_text="An access token.")


class VerifiedTokenSerializer(serializers.Serializer[None]):
    """The claims a service decides by."""

    valid = serializers.BooleanField()
    user_id = serializers.UUIDField()
    email = serializers.CharField(allow_null=True)
    username = serializers.CharField(allow_null=True)
    roles = serializers.ListField(child=serializers.CharField(), allow_null=True)
    sid = serializers.UUIDField(help_text="The session.")
    exp = serializers.IntegerField(help_text="NumericDate (RFC 7519 section 2).")


class RevocationSerializer(serializers.Serializer[None]):
    """End the sessions of a user that are older than `epoch`."""

    user_id = serializers.UUIDField()
    epoch = serializers.IntegerField(min_value=0, max_value=2**31 - 1)
    # \Z: `$` would let a newline through, one character more than the column takes.
    reason = serializers.RegexField(r"^[a-z_]{1,32}\Z", trim_whitespace=False)
    keep_sid = serializers.UUIDField(required=False)


class RevokedSerializer(serializers.Serializer[None]):
    revoked = serializers.IntegerField(min_value=0)


class JWKSerializer(serializers.Serializer[None]):
    """RFC 7517 section 4, public members only."""

    kty = serializers.ChoiceField(["RSA"])
    n = serializers.CharField()
    e = serializers.CharField()
    use = serializers.ChoiceField(["sig"])
    alg = serializers.ChoiceField(["RS256"])
    kid = serializers.CharField(help_text="SHA-256 thumbprint (RFC 7638).")


class JWKSetSerializer(serializers.Serializer[None]):
    """RFC 7517 section 5."""

    keys = JWKSerializer(many=True)
