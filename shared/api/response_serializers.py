"""What a service of ours answers, looked at before it is believed."""

from rest_framework import serializers


class SessionAnswer(serializers.Serializer[None]):
    """A session, as the Auth Service tells operators of it."""

    id = serializers.UUIDField()
    # A client chooses its name: whatever it is, it hides no session from an operator.
    device = serializers.CharField(allow_blank=True, trim_whitespace=False)
    ip = serializers.CharField(allow_null=True)
    created_at = serializers.DateTimeField()
    last_used_at = serializers.DateTimeField()
    expires_at = serializers.DateTimeField()
