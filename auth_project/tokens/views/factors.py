"""The HTTP side of factors: the second step of a login, a login with a passkey alone,
and stepping up."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.views import JSONView, valid
from shared.auth.enrolment import LIFETIME
from shared.metrics import counted_login
from tokens import factor_serializers as f
from tokens import logins, step_up
from tokens import serializers as s
from tokens.views.public import SET_COOKIE, BrowserView, client_of, grant_response
from tokens.views.sessions import caller

# The same text in all cases. No mail is sent if the address is not verified.
MAILED = (
    "If your address is verified, open the link in our mail. Else verify it first: ask "
    "for a link (verify_email/resend), open it, and log in again. Or ask an operator "
    "for a code."
)


class SecondFactorView(BrowserView):
    """Complete a login with a second factor. The answer is that of a login without one.
    After five tries, log in again."""

    problem_shapes = {401: f.TriesProblemSerializer}

    @extend_schema(
        operation_id="auth_login_second_factor",
        request=f.SecondFactorSerializer,
        parameters=[SET_COOKIE],
        responses={
            200: s.GrantSerializer,
            401: ("second_factor_invalid", "token_invalid"),
            409: ("login_settled",),
        },
    )
    def post(self, request: Request) -> Response:
        proof = valid(f.SecondFactorSerializer(data=request.data))
        text, client = proof.pop("login"), client_of(request)
        with counted_login("second_factor"):
            grant = logins.second_factor(text, proof, client)
        return grant_response(grant)


class PasskeyOptionsView(BrowserView):
    """Begin a login with a passkey alone, without a name or password. The options are
    for `navigator.credentials.get`. They are good for one login, for five minutes."""

    @extend_schema(
        operation_id="auth_login_passkey_options",
        request=None,
        responses={200: f.PasskeyLoginOptionsSerializer},
    )
    def post(self, request: Request) -> Response:
        return Response(logins.passkey_options())


class PasskeyLoginView(BrowserView):
    """Complete a login with a passkey alone. The answer is that of `login`. The session
    has the level `aal2`. After a 401, begin again at `login/passkey/options`."""

    @extend_schema(
        operation_id="auth_login_passkey",
        request=f.PasskeyLoginSerializer,
        parameters=[SET_COOKIE],
        responses={200: s.GrantSerializer, 401: ("invalid_credentials",)},
    )
    def post(self, request: Request) -> Response:
        body = valid(f.PasskeyLoginSerializer(data=request.data))
        client = client_of(request)
        with counted_login("passkey"):
            grant = logins.log_in_with_passkey(
                body["login"], body["credential"], client
            )
        return grant_response(grant)


class EnrolView(BrowserView):
    """Get a token for adding the first factor, if a login needs one. 202 asks for more
    proof: call this again with the token from a link that was mailed to the address, if
    the address is verified. Otherwise verify it first, and log in again."""

    @extend_schema(
        operation_id="auth_login_enrol",
        request=f.EnrolSerializer,
        responses={
            200: f.EnrolTokenSerializer,
            202: s.MessageSerializer,
            400: ("link_invalid",),
            401: ("token_invalid",),
            409: ("login_settled",),
        },
    )
    def post(self, request: Request) -> Response:
        body = valid(f.EnrolSerializer(data=request.data))
        proof = body.get("token", "")
        token = logins.enrol(body["login"], proof, client_of(request))
        if token is None:
            return Response({"message": MAILED}, status=202)
        times = {"token_type": "bearer", "expires_in": LIFETIME}
        return Response({"enrol_token": str(token), **times})


class StepUpOptionsView(JSONView):
    """Begin a step-up: get the factors with which your session can step up."""

    @extend_schema(
        operation_id="auth_step_up_options",
        request=None,
        responses={200: f.InvitationSerializer},
    )
    def post(self, request: Request) -> Response:
        return Response(step_up.options(caller(request)))


class StepUpView(JSONView):
    """Step up: prove who you are again. The answer is an access token with a new `acr`
    and `auth_time`, which later ones keep. The refresh token stays the same."""

    problem_shapes = {401: f.TriesProblemSerializer}

    @extend_schema(
        operation_id="auth_step_up",
        request=f.StepUpSerializer,
        responses={
            200: s.GrantSerializer,
            401: ("second_factor_invalid", "invalid_credentials"),
            409: ("login_settled",),
        },
    )
    def post(self, request: Request) -> Response:
        proof = valid(f.StepUpSerializer(data=request.data))
        text, client = proof.pop("login"), client_of(request)
        return grant_response(step_up.step_up(caller(request), text, proof, client))
