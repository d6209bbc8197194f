"""The HTTP side of passkeys: registering them, and logging in with one."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.views import InternalView
from shared.auth import device_cookie
from users.factors import openapi, passkeys
from users.factors.serializers import PasskeyAttemptSerializer
from users.guess_limits import Client
from users.serializers import MEMBERS_OF_VERIFIED, represent


class VerifyPasskeyView(InternalView):
    """For the Auth Service: whose passkey has signed this challenge? It is a login.

    Unknown passkeys, wrong signatures and absent users get the same answer, after the
    same work.
    """

    allowed_callers = frozenset({"auth"})

    @extend_schema(**openapi.VERIFY_PASSKEY)
    def post(self, request: Request) -> Response:
        serializer = PasskeyAttemptSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        attempt = serializer.validated_data
        device = attempt.get("device", "")
        client = Client(device=device, **attempt.get("client", {}))
        credential, challenge = attempt["credential"], attempt["challenge"]
        passkey = passkeys.authenticate(credential, challenge, client)
        user = passkey.user
        answer = represent(user, MEMBERS_OF_VERIFIED)
        answer |= {"sub": user.pk, "amr": passkey.amr}
        return Response({**answer, "device": device_cookie.renew(device, user)})
