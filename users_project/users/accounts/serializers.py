"""Shapes of what links and mails are asked for with."""

from typing import Any

from rest_framework import serializers

from shared.api.fields import ExactCharField, PasswordField, StrictSerializer
from users.serializers import NewPasswordField, email_field, username_field


class TokenSerializer(StrictSerializer):
    token = ExactCharField(max_length=100, help_text="From the link in the mail.")


class ProofSerializer(TokenSerializer):
    """A link, and the password of its account, if no access token of it is sent."""

    password = PasswordField(required=False)


class VerifyEmailSerializer(ProofSerializer):
    """A link of a registration or of a user."""

    password = PasswordField(
        required=False,
        help_text="For a registration: the password that the account gets. For an "
        "account: its password, if no access token of it is sent.",
    )
    username = username_field(
        required=False,
        help_text="For a registration: another one, if the first is taken by now.",
    )


class AddressSerializer(StrictSerializer):
    """Where a mail is to go, if there is such an account."""

    email = email_field()


class PasswordResetSerializer(TokenSerializer):
    """A link, and the password that the account gets."""

    new_password = NewPasswordField(
        help_text="Used exactly as sent. Refused as at registration."
    )


class EmailChangeSerializer(StrictSerializer):
    """Another address, and the password of the account."""

    new_email = email_field()
    current_password = PasswordField()


class PendingEmailSerializer(serializers.Serializer[Any]):
    """The address that waits for a click in its mailbox, and until when."""

    pending_email = serializers.CharField()
    expires_at = serializers.DateTimeField()


ACCEPTED = {"message": "Accepted. What follows is in a mail to this address."}


class AcceptedSerializer(serializers.Serializer[Any]):
    """The same for every address, whether there is an account or not."""

    message = serializers.CharField()
