"""The HTTP side of passkeys: registering them, and logging in with one."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.views import InternalView
from shared.auth import device_cookie
from shared.auth.passkeys import TIMEOUT
from users.accounts.views import valid
from users.credentials import note_login
from users.factors import openapi, passkeys, registration
from users.factors.serializers import NewPasskeySerializer, PasskeyAttemptSerializer
from users.factors.views import LIMIT, OwnFactorsView
from users.guess_limits import Client, client_of, counted_of
from users.serializers import MEMBERS_OF_VERIFIED, represent


class PasskeyOptionsView(OwnFactorsView):
    @extend_schema(**openapi.PASSKEY_OPTIONS)
    def post(self, request: Request) -> Response:
        """Begin to register a passkey, by `navigator.credentials.create`.
        The options are good once, for five minutes."""
        with counted_of(self.user(), LIMIT):
            asked = registration.begin(self.caller)
        return Response({"expires_in": TIMEOUT, "passkey": asked})


class PasskeysView(OwnFactorsView):
    @extend_schema(**openapi.ADD_PASSKEY)
    def post(self, request: Request) -> Response:
        """Register a passkey. The first factor of an account ends its other sessions,
        and brings ten recovery codes, which are shown only here."""
        body, user = valid(NewPasskeySerializer(data=request.data)), self.user()
        with counted_of(user, LIMIT):
            factor = registration.register(user, **body)
            codes = registration.complete(self.caller, factor, client_of(request))
        answer = {"id": factor.pk, "recovery_codes": codes}
        return Response(answer, status=201)


class VerifyPasskeyView(InternalView):
    """For the Auth Service: whose passkey has signed this challenge? It is a login.

    Unknown passkeys, wrong signatures and absent users get the same answer, after the
    same work.
    """

    allowed_callers = frozenset({"auth"})

    @extend_schema(**openapi.VERIFY_PASSKEY)
    def post(self, request: Request) -> Response:
        attempt = valid(PasskeyAttemptSerializer(data=request.data))
        device = attempt.get("device", "")
        client = Client(device=device, **attempt.get("client", {}))
        credential, challenge = attempt["credential"], attempt["challenge"]
        passkey = passkeys.authenticate(credential, challenge, client)
        user = passkey.user
        note_login(user, client)
        answer = represent(user, MEMBERS_OF_VERIFIED)
        answer |= {"sub": user.pk, "amr": passkey.amr}
        return Response({**answer, "device": device_cookie.renew(device, user)})
