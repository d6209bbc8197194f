"""Shapes of what links and mails are asked for with."""

from typing import Any

from rest_framework import serializers

from shared.api.fields import ExactCharField, PasswordField, StrictSerializer
from users.serializers import (
    CurrentPasswordSerializer,
    NewPasswordField,
    email_field,
    username_field,
)


class TokenSerializer(StrictSerializer):
    token = ExactCharField(max_length=100, help_text="From the link in the mail.")


class ProofSerializer(TokenSerializer):
    """A link, and the password of its account unless an access token is sent."""

    password = PasswordField(required=False)


class VerifyEmailSerializer(ProofSerializer):
    """A link that finishes a registration or verifies the address of an account."""

    password = PasswordField(
        required=False,
        help_text="For a registration: the password that the account will have. For an "
        "account: its password, unless an access token of its user is sent.",
    )
    username = username_field(
        required=False,
        help_text="For a registration: a new username, if the first is taken by now.",
    )


class AddressSerializer(StrictSerializer):
    """The address that gets the mail, if an account or registration has it."""

    email = email_field()


class PasswordResetSerializer(TokenSerializer):
    """A link, and the new password of the account."""

    new_password = NewPasswordField(
        help_text="Used exactly as sent. The rules are those of a registration."
    )


class EmailChangeSerializer(CurrentPasswordSerializer):
    """The new address, and the password of the account."""

    new_email = email_field()


class PendingEmailSerializer(serializers.Serializer[Any]):
    """The new address, and until when the link in its mailbox can confirm it."""

    pending_email = serializers.CharField()
    expires_at = serializers.DateTimeField()


ACCEPTED = {"message": "Accepted. What follows is in a mail to this address."}


class AcceptedSerializer(serializers.Serializer[Any]):
    """The answer for every address, whether it has an account or not."""

    message = serializers.CharField()
