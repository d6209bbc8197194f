"""Shapes of requests and answers."""

from datetime import UTC, datetime
from typing import Any

from rest_framework import serializers

from shared import devices
from shared.api import client_ip
from shared.api.fields import EpochField, ExactCharField, StrictSerializer
from shared.api.views import valid
from shared.auth.access_tokens import MAX_LENGTH
from shared.events.pages import MOST, PAGE, CursorField, ReportedQuerySerializer
from tokens.models import Session

SHOWN_BITS = (24, 48)  # of an address: of IPv4, of IPv6


class GrantSerializer(serializers.Serializer[None]):
    """An access token (RFC 6749 section 5.1). Only the cookie has the refresh token."""

    access_token = serializers.CharField()
    token_type = serializers.ChoiceField(["bearer"])
    expires_in = serializers.IntegerField(min_value=0, help_text="In seconds.")


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
    """The claims of an access token. A claim that it does not have is null."""

    valid = serializers.BooleanField()
    user_id = serializers.UUIDField()
    email = serializers.CharField(allow_null=True)
    email_verified = serializers.BooleanField(allow_null=True)
    username = serializers.CharField(allow_null=True)
    roles = serializers.ListField(child=serializers.CharField(), allow_null=True)
    sid = serializers.UUIDField(help_text="The id of the session.")
    exp = serializers.IntegerField(help_text="Expiry: NumericDate (RFC 7519).")
    auth_time = serializers.IntegerField(
        allow_null=True,
        help_text="Time of the login or of the last step-up: a NumericDate.",
    )
    acr = serializers.CharField(allow_null=True, help_text="Level: `aal1` or `aal2`.")
    amr = serializers.ListField(
        child=serializers.CharField(), allow_null=True, help_text="Methods: RFC 8176."
    )


class IntrospectionRequestSerializer(serializers.Serializer[None]):
    """The request of RFC 7662 section 2.1. Only the body has a limit of length: a token
    that is too long gets the answer of any other invalid token."""

    token = ExactCharField(help_text="An access token.")
    token_type_hint = ExactCharField(
        required=False, allow_blank=True, help_text="Ignored."
    )


class IntrospectionSerializer(serializers.Serializer[None]):
    """RFC 7662 section 2.2. Only a live access token has more than `active`."""

    active = serializers.BooleanField()
    sub = serializers.UUIDField(required=False, help_text="The id of the user.")
    username = serializers.CharField(required=False)
    email = serializers.CharField(required=False)
    email_verified = serializers.BooleanField(required=False)
    roles = serializers.ListField(child=serializers.CharField(), required=False)
    roles_omitted = serializers.BooleanField(
        required=False, help_text="The token has no `roles`: the user has too many."
    )
    client_id = serializers.CharField(required=False)
    aud = serializers.CharField(required=False)
    iss = serializers.CharField(required=False)
    exp = serializers.IntegerField(required=False, help_text="Expiry: NumericDate.")
    iat = serializers.IntegerField(required=False, help_text="Issued at: NumericDate.")
    auth_time = serializers.IntegerField(
        required=False,
        help_text="NumericDate of the login or last step-up (RFC 9470 section 6.2).",
    )
    acr = serializers.CharField(required=False, help_text="Level: `aal1` or `aal2`.")
    amr = serializers.ListField(
        child=serializers.CharField(), required=False, help_text="Methods: RFC 8176."
    )
    jti = serializers.UUIDField(required=False)
    sid = serializers.UUIDField(required=False, help_text="The id of the session.")
    epoch = EpochField(required=False, help_text="The user's, which the session has.")
    token_type = serializers.ChoiceField(["Bearer"], required=False)


class RevocationSerializer(serializers.Serializer[None]):
    """Which sessions to end: those of these users with an epoch below `epoch`."""

    user_ids = serializers.ListField(
        child=serializers.UUIDField(), min_length=1, max_length=5000
    )
    epoch = EpochField()
    # \Z: `$` would let a newline through, one character more than the column takes.
    reason = serializers.RegexField(r"^[a-z_]{1,32}\Z", trim_whitespace=False)
    keep_sid = serializers.UUIDField(required=False, help_text="A session to keep.")
    keep_from = EpochField(
        required=False, help_text="Keep it only if its own epoch is at least this."
    )


class RevokedSerializer(serializers.Serializer[None]):
    revoked = serializers.IntegerField(min_value=0)


class UserSessionSerializer(serializers.ModelSerializer[Session]):
    """A session, with only the data by which its user recognises it."""

    ip = serializers.SerializerMethodField(help_text="Its network: IPv4 /24, IPv6 /48.")
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


class StoredSessionSerializer(UserSessionSerializer):
    """A stored session, live or not, for the export of its user."""

    class Meta(UserSessionSerializer.Meta):
        fields = (
            *UserSessionSerializer.Meta.fields,
            *("user_agent", "acr", "amr", "stepped_up_at"),
            *("revoked_at", "revoked_reason"),
        )
        read_only_fields = fields


class StoredQuerySerializer(serializers.Serializer[None]):
    after = CursorField(
        default=datetime(1, 1, 1, tzinfo=UTC),
        help_text="The `next` of the previous answer.",
    )


class StoredSessionsSerializer(serializers.Serializer[None]):
    sessions = StoredSessionSerializer(many=True)
    next = CursorField(allow_null=True, help_text="Null on the last page.")


class EventsQuerySerializer(ReportedQuerySerializer):
    size = serializers.IntegerField(
        default=PAGE, min_value=PAGE, max_value=MOST, help_text="The most events."
    )


class ErasedSerializer(serializers.Serializer[None]):
    erased = serializers.IntegerField(min_value=0, help_text="Number of sessions.")


class SessionSerializer(UserSessionSerializer):
    """A session of the caller."""

    current = serializers.SerializerMethodField(help_text="True for the current one.")

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
    """A JWK with its public members only (RFC 7517 section 4)."""

    kty = serializers.ChoiceField(["RSA"])
    n = serializers.CharField()
    e = serializers.CharField()
    use = serializers.ChoiceField(["sig"])
    alg = serializers.ChoiceField(["RS256"])
    kid = serializers.CharField(help_text="SHA-256 thumbprint (RFC 7638).")


class JWKSetSerializer(serializers.Serializer[None]):
    """A JWK Set (RFC 7517 section 5)."""

    keys = JWKSerializer(many=True)


class MetadataSerializer(serializers.Serializer[None]):
    """The metadata of RFC 8414 section 2 that apply to this server."""

    issuer = serializers.URLField(help_text="The claim `iss` of every token.")
    jwks_uri = serializers.URLField()
    response_types_supported = serializers.ListField(
        child=serializers.CharField(), help_text="Empty: login is first-party."
    )
    grant_types_supported = serializers.ListField(
        child=serializers.CharField(), help_text="Empty: there is no OAuth grant."
    )
    service_documentation = serializers.URLField(
        required=False, help_text="Only if it is served (DOCS_ENABLED)."
    )
