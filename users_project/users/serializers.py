"""Shapes of requests and answers, and how a user fills them."""

from functools import partial
from typing import Any

from django.conf import settings
from rest_framework import serializers

from shared.api.fields import (
    CredentialsSerializer,
    EpochField,
    ExactCharField,
    PasswordField,
    StrictSerializer,
)
from users import passwords, validators
from users.models import User


class TextField(ExactCharField):
    """A JSON string without the space around it, which keyboards like to add."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.trim_whitespace = True


METHODS = ["passkey", "totp", "recovery_code"]
optional = partial(TextField, required=False, allow_blank=True)
personal_name = partial(
    optional,
    max_length=150,
    validators=[validators.validate_name],
    help_text="No control or invisible characters.",
)

username_field = partial(TextField, max_length=50, validators=validators.NEW_USERNAME)
email_field = partial(TextField, max_length=254, validators=[validators.validate_email])
language = partial(serializers.ChoiceField, settings.LANGUAGES, required=False)


class NewPasswordField(PasswordField):
    """Fields are made again with every serializer, so the setting is read in time."""

    def __init__(self, **kwargs: Any) -> None:
        super().__init__(
            min_length=settings.PASSWORD_MIN_LENGTH,
            validators=[validators.validate_no_null],
            **kwargs,
        )


class NamesSerializer(StrictSerializer):
    """The names and the avatar, which users choose themselves."""

    first_name = personal_name()
    last_name = personal_name()
    display_name = personal_name()
    avatar_url = optional(max_length=500, validators=[validators.validate_web_address])


class RegistrationSerializer(NamesSerializer):
    """A new account."""

    username = username_field()
    email = email_field()
    password = NewPasswordField(
        help_text="Used exactly as sent. Passwords that are common, easy to guess or "
        "like your own names are refused."
    )

    locale = language(
        help_text="The language of mails. If omitted, by Accept-Language."
    )

    def get_fields(self) -> dict[str, Any]:
        """With EMAIL_VERIFICATION=required the password is chosen later. One that is
        sent all the same meets the rules, and is forgotten."""
        fields: dict[str, Any] = super().get_fields()
        fields["password"].required = settings.EMAIL_VERIFICATION != "required"
        return fields

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        """The password, compared with the user's own names too."""
        if "password" in attrs:
            names = {name: text for name, text in attrs.items() if name != "password"}
            passwords.check("password", attrs["password"], User(**names))
        return attrs


class ProfileSerializer(NamesSerializer):
    """The data that users may change in their own account."""

    locale = language(help_text="The language of mails.")

    def update(self, instance: User, validated_data: dict[str, str]) -> User:
        for name, text in validated_data.items():
            setattr(instance, name, text)
        instance.save()
        return instance


class CurrentPasswordSerializer(StrictSerializer):
    """The proof that it is the user who asks, for `credentials.is_proved`."""

    current_password = PasswordField(
        required=False,
        help_text="Required, unless the account has no password: then a login or "
        "step-up with a factor within five minutes is.",
    )

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        user: Any = self.instance
        if user.has_usable_password() and "current_password" not in attrs:
            detail = {"current_password": "This field is required."}
            raise serializers.ValidationError(detail, code="required")
        return attrs


class PasswordChangeSerializer(CurrentPasswordSerializer):
    """The current password and the new one."""

    new_password = NewPasswordField(
        help_text="Used exactly as sent. Refused for the same reasons as at "
        "registration, or if it is the current password."
    )

    def validate(self, attrs: dict[str, str]) -> dict[str, str]:
        """All that can be refused without a hash, so before there is one."""
        attrs = super().validate(attrs)
        if attrs["new_password"] == attrs.get("current_password"):
            detail = {"new_password": "This is the current password."}
            raise serializers.ValidationError(detail, code="password_unchanged")
        passwords.check("new_password", attrs["new_password"], self.instance)
        return attrs


class ClientSerializer(serializers.Serializer[None]):
    """The client of the Auth Service, such as a browser."""

    ip = serializers.IPAddressField(allow_null=True)
    user_agent = ExactCharField(allow_blank=True, max_length=256)


class LoginAttemptSerializer(CredentialsSerializer):
    """Credentials, and the client that sent them."""

    client = ClientSerializer(required=False)
    device = ExactCharField(required=False, allow_blank=True, max_length=1024)


class LookupSerializer(serializers.Serializer[User]):
    """The name by which an operator looks for a user."""

    identifier = TextField(
        allow_blank=True, help_text="An e-mail address, a username or an id."
    )


class FoundSerializer(serializers.Serializer[User]):
    """The users found: none, one, or two if the username of one is the other's id."""

    ids = serializers.ListField(child=serializers.UUIDField())


class EndSessionsSerializer(serializers.Serializer[User]):
    """The session to keep, if any."""

    keep_sid = serializers.UUIDField(required=False, help_text="If omitted, all end.")


class SessionEpochSerializer(serializers.Serializer[User]):
    """The user's new epoch. Sessions below it have ended, except the one to keep."""

    session_epoch = EpochField(min_value=1)
    kept_from = EpochField(
        allow_null=True, help_text="The lowest epoch that the kept session may have."
    )


class UserSerializer(serializers.Serializer[User]):
    """A user."""

    id = serializers.UUIDField()
    username = serializers.CharField()
    email = serializers.CharField()
    email_verified = serializers.BooleanField(help_text="Verified by a link in a mail.")
    first_name = serializers.CharField(help_text="Empty if it was not given.")
    last_name = serializers.CharField(help_text="Empty if it was not given.")
    display_name = serializers.CharField(help_text="Empty if it was not given.")
    avatar_url = serializers.CharField(help_text="Empty if it was not given.")
    locale = serializers.CharField(help_text="The language of mails.")
    is_active = serializers.BooleanField()
    is_deleted = serializers.BooleanField()
    deleted_at = serializers.DateTimeField(allow_null=True)
    created_at = serializers.DateTimeField()
    updated_at = serializers.DateTimeField()
    roles = serializers.ListField(child=serializers.CharField())


class MeSerializer(UserSerializer):
    """The caller's own account."""

    pending_email = serializers.CharField(
        allow_null=True, help_text="The new address until it is confirmed by a link."
    )
    last_login_at = serializers.DateTimeField(
        allow_null=True, help_text="Updated at most once an hour."
    )


class KnownUserSerializer(UserSerializer):
    """A user, for other services. Only the Auth Service gets the optional members."""

    session_epoch = EpochField(required=False)
    kept_sid = serializers.UUIDField(
        required=False, allow_null=True, help_text="The session kept below that epoch."
    )
    kept_from = EpochField(
        required=False, allow_null=True, help_text="The lowest epoch of that session."
    )
    second_factor_required = serializers.BooleanField(
        required=False, help_text="Whether the settings or a role require one."
    )


class PasskeySerializer(serializers.Serializer[User]):
    """The data by which a browser finds a passkey."""

    id = serializers.CharField(help_text="base64url.")
    transports = serializers.ListField(child=serializers.CharField())


class MethodsSerializer(serializers.Serializer[User]):
    """The second factors of a user."""

    methods = serializers.ListField(child=serializers.ChoiceField(METHODS))
    passkeys = PasskeySerializer(many=True)
    required = serializers.BooleanField(  # type: ignore[assignment]
        help_text="Whether the settings or a role require one."
    )


class FactorsOfLoginSerializer(MethodsSerializer):
    """The second factor that must follow a right password, if any."""

    trusted = serializers.BooleanField(help_text="This device needs no factor.")


class VerifiedSerializer(serializers.Serializer[User]):
    """The user whose credentials were right."""

    sub = serializers.UUIDField()
    email = serializers.CharField()
    email_verified = serializers.BooleanField()
    username = serializers.CharField()
    roles = serializers.ListField(child=serializers.CharField())
    session_epoch = EpochField(help_text="Read together with the password's hash.")


class VerifiedUserSerializer(VerifiedSerializer):
    device = serializers.CharField(help_text="The text of the device cookie to set.")
    factors = FactorsOfLoginSerializer()


# Names of attributes of a user, read once: at every request, serializers would take too
# long.
MEMBERS = tuple(UserSerializer().fields)
MEMBERS_OF_ME = tuple(MeSerializer().fields)
MEMBERS_FOR_AUTH = tuple(KnownUserSerializer().fields)
MEMBERS_OF_VERIFIED = ("email", "email_verified", "username", "roles", "session_epoch")


def represent(user: User, members: tuple[str, ...] = MEMBERS) -> dict[str, Any]:
    """The user as `UserSerializer` or `KnownUserSerializer` describes it."""
    return {name: getattr(user, name) for name in members}
