"""The HTTP side of logging in with a passkey alone."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.openapi import problems
from shared.metrics import counted_login
from tokens import factor_serializers as f
from tokens import passkey_logins
from tokens import serializers as s
from tokens.views.public import (
    SET_COOKIE,
    BrowserView,
    client_of,
    grant_response,
)


class PasskeyOptionsView(BrowserView):
    """Begin to log in with a passkey, without a name or a password. The answer is for
    `navigator.credentials.get`, once and for five minutes."""

    @extend_schema(
        operation_id="auth_login_passkey_options",
        request=None,
        responses={
            200: f.PasskeyLoginOptionsSerializer,
            **problems(_403=("cross_site_request",)),
        },
    )
    def post(self, request: Request) -> Response:
        return Response(passkey_logins.options())


class PasskeyLoginView(BrowserView):
    """Complete a login with a passkey: tokens, as a login gives them, of the level
    aal2. Whatever is wrong, begin again."""

    @extend_schema(
        operation_id="auth_login_passkey",
        request=f.PasskeyLoginSerializer,
        parameters=[SET_COOKIE],
        responses={
            200: s.GrantSerializer,
            **problems(
                body=True, _401=("invalid_credentials",), _403=("cross_site_request",)
            ),
        },
    )
    def post(self, request: Request) -> Response:
        serializer = f.PasskeyLoginSerializer(data=request.data)
        serializer.is_valid(raise_exception=True)
        sent = serializer.validated_data
        text, credential = sent["login"], sent["credential"]
        with counted_login("passkey"):
            grant = passkey_logins.log_in(text, credential, client_of(request))
        return grant_response(grant)
