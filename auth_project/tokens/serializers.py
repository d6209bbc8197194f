"""Shapes of requests and answers."""

from typing import Any

from rest_framework import serializers

from shared import devices
from shared.api import client_ip
from shared.api.fields import EpochField, ExactCharField, StrictSerializer
from shared.api.views import valid
from shared.auth.access_tokens import MAX_LENGTH
from shared.event_pages import ReportedEventSerializer
from tokens.models import Session

SHOWN_BITS = (24, 48)  # of an address: of IPv4, of IPv6


class GrantSerializer(serializers.Serializer[None]):
    """RFC 6749 section 5.1. The refresh token is in the cookie and never here."""

    access_token = serializers.CharField()
    token_type = serializers.ChoiceField(["bearer"])
    expires_in = serializers.IntegerField(min_value=0, help_text="Seconds.")


class MessageSerializer(serializers.Serializer[None]):
    message = serializers.CharField()


class TokenSerializer(serializers.Serializer[None]):
    token = ExactCharField(max_length=MAX_LENGTH, help_text="An access token.")

    @classmethod
    def token_of(cls, body: Any) -> str:
        """The token in a body. Raises ValidationError.

        Services may call this for every request of theirs, and a serializer makes its
        fields again each time. So it is used only to say what is wrong with a token.
        """
        token = body.get("token") if isinstance(body, dict) else None
        if (
            isinstance(token, str)
            and 0 < len(token) <= MAX_LENGTH
            and "\0" not in token
        ):
            return token
        return str(valid(cls(data=body))["token"])


class VerifiedTokenSerializer(serializers.Serializer[None]):
    """The claims a service decides by."""

    valid = serializers.BooleanField()
    user_id = serializers.UUIDField()
    email = serializers.CharField(allow_null=True)
    email_verified = serializers.BooleanField(allow_null=True)
    username = serializers.CharField(allow_null=True)
    roles = serializers.ListField(child=serializers.CharField(), allow_null=True)
    sid = serializers.UUIDField(help_text="The session.")
    exp = serializers.IntegerField(help_text="NumericDate (RFC 7519 section 2).")
    auth_time = serializers.IntegerField(
        allow_null=True,
        help_text="When the user logged in or stepped up: a NumericDate.",
    )
    acr = serializers.CharField(allow_null=True, help_text="`aal1` or `aal2`.")
    amr = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="RFC 8176."
    )


class IntrospectionRequestSerializer(serializers.Serializer[None]):
    """RFC 7662 section 2.1. How long they may be, the parser's limit says: a token that
    is too long is like any other that is of no use."""

    token = ExactCharField(help_text="An access token.")
    token_type_hint = ExactCharField(
        required=False, allow_blank=True, help_text="Ignored."
    )


class IntrospectionSerializer(serializers.Serializer[None]):
    """RFC 7662 section 2.2. All but `active` only of a live access token."""

    active = serializers.BooleanField()
    sub = serializers.UUIDField(required=False, help_text="The user.")
    username = serializers.CharField(required=False)
    email = serializers.CharField(required=False)
    email_verified = serializers.BooleanField(required=False)
    roles = serializers.ListField(child=serializers.CharField(), required=False)
    roles_omitted = serializers.BooleanField(
        required=False, help_text="The user has too many roles for a token."
    )
    client_id = serializers.CharField(required=False)
    aud = serializers.CharField(required=False)
    iss = serializers.CharField(required=False)
    exp = serializers.IntegerField(required=False, help_text="NumericDate.")
    iat = serializers.IntegerField(required=False, help_text="NumericDate.")
    auth_time = serializers.IntegerField(
        required=False,
        help_text="NumericDate of the login or step-up (RFC 9470 section 6.2).",
    )
    acr = serializers.CharField(required=False, help_text="`aal1` or `aal2`.")
    amr = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="RFC 8176."
    )
    jti = serializers.UUIDField(required=False)
    sid = serializers.UUIDField(required=False, help_text="The session.")
    token_type = serializers.ChoiceField(["Bearer"], required=False)


class RevocationSerializer(serializers.Serializer[None]):
    """End the sessions of users below `epoch`."""

    user_ids = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=5000
    )
    epoch = EpochField()
    # \Z: `$` would let a newline through, one character more than the column takes.
    reason = serializers.RegexField(r"^[a-z_]{1,32}\Z", trim_whitespace=False)
    keep_sid = serializers.UUIDField(required=False, help_text="A session to keep,")
    keep_from = EpochField(
        required=False, help_text="if its own epoch is at least this."
    )


class RevokedSerializer(serializers.Serializer[None]):
    revoked = serializers.IntegerField(min_value=0)


class UserSessionSerializer(serializers.ModelSerializer[Session]):
    """A login: what its user needs to recognise it, and no more."""

    ip = serializers.SerializerMethodField(help_text="Its network: /24, in IPv6 /48.")
    device = serializers.SerializerMethodField(help_text="Such as `Firefox on Linux`.")

    class Meta:
        model = Session
        fields: tuple[str, ...] = (
            "id",
            "created_at",
            "last_used_at",
            "expires_at",
            "ip",
            "device",
        )
        read_only_fields = fields

    def get_ip(self, session: Session) -> str | None:
        # It shows the user's provider, not their connection.
        return session.ip and client_ip.network(session.ip, *SHOWN_BITS)

    def get_device(self, session: Session) -> str:
        return devices.device(session.user_agent)


class UserSessionsSerializer(serializers.Serializer[None]):
    sessions = UserSessionSerializer(many=True)


class ExportedSessionSerializer(UserSessionSerializer):
    """A login that is kept, live or not, for its own user."""

    class Meta(UserSessionSerializer.Meta):
        fields = (
            *UserSessionSerializer.Meta.fields,
            *("user_agent", "acr", "amr", "stepped_up_at"),
            *("revoked_at", "revoked_reason"),
        )
        read_only_fields = fields


class ExportSerializer(serializers.Serializer[None]):
    sessions = ExportedSessionSerializer(many=True)
    events = ReportedEventSerializer(many=True)


class ErasedSerializer(serializers.Serializer[None]):
    erased = serializers.IntegerField(min_value=0, help_text="Sessions.")


class SessionSerializer(UserSessionSerializer):
    """A login, for its own user."""

    current = serializers.SerializerMethodField(help_text="That of the access token.")

    class Meta(UserSessionSerializer.Meta):
        fields = (*UserSessionSerializer.Meta.fields, "current")
        read_only_fields = fields

    def get_current(self, session: Session) -> bool:
        return bool(session.id == self.context["request"].user.sid)


class ExactBooleanField(serializers.BooleanField):
    """JSON's true or false. DRF's own field also accepts "off" and 0."""

    def to_internal_value(self, data: Any) -> bool:
        if not isinstance(data, bool):
            self.fail("invalid", input=data)
        return data


class LogoutAllSerializer(StrictSerializer):
    keep_current = ExactBooleanField(
        default=False, help_text="Keep the session of the access token."
    )


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


class MetadataSerializer(serializers.Serializer[None]):
    """RFC 8414 section 2, as far as it is true of us."""

    issuer = serializers.URLField(help_text="`iss` of every token.")
    jwks_uri = serializers.URLField()
    response_types_supported = serializers.ListField(
        child=serializers.CharField(), help_text="None: login is first-party."
    )
    grant_types_supported = serializers.ListField(
        child=serializers.CharField(), help_text="None."
    )
    service_documentation = serializers.URLField(
        required=False, help_text="Where it is served (DOCS_ENABLED)."
    )
