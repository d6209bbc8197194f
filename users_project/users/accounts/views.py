"""The HTTP views of registration, mails and links: parse, call, respond."""

from uuid import UUID

from django.conf import settings
from django.utils.translation import get_language_from_request
from drf_spectacular.utils import extend_schema, extend_schema_view
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.views import JSONView, OpenView, valid
from shared.auth.authentication import TokenUser
from users.accounts import (
    change_email,
    openapi,
    registration,
    requests,
    reset,
    verification,
)
from users.accounts import serializers as s
from users.accounts.proofs import Proof
from users.factors import resets
from users.limits.guess_limits import client_of
from users.serializers import RegistrationSerializer, represent
from users.views import caller


def accepted() -> Response:
    """The same answer for every address, so that it reveals no accounts."""
    return Response(s.ACCEPTED, status=202)


def proof_of(request: Request, password: str) -> Proof:
    """The password in the body, and the user of the access token, if one was sent."""
    user_id: UUID | None = getattr(request.user, "id", None)
    return Proof(password, user_id)


def sid_of(request: Request) -> UUID:
    """The session of the access token."""
    assert isinstance(request.user, TokenUser)
    return request.user.sid


class RegistrationView(OpenView):
    """Create an account.

    The password has 8 to 128 characters and is used exactly as sent. There are no rules
    of composition, but passwords that are common, easy to guess or like your own names
    are refused. A deleted account keeps its e-mail address and username. With
    EMAIL_VERIFICATION=required the answer is 202, the same for every e-mail address,
    and the link in a mail creates the account.
    """

    @extend_schema(**openapi.REGISTRATION)
    def post(self, request: Request) -> Response:
        fields = {"locale": get_language_from_request(request)}
        fields |= valid(RegistrationSerializer(data=request.data))
        if settings.EMAIL_VERIFICATION == "required":
            registration.request(fields, client_of(request))
            return accepted()
        user = registration.register(fields, client_of(request))
        location = {"Location": "/api/v1/users/me"}
        return Response(represent(user), status=201, headers=location)


class LinkView(JSONView):
    """Open to anyone with a link; an access token that is sent along is looked at."""

    permission_classes = (AllowAny,)
    problem_codes = {400: openapi.LINK_PROBLEMS, 401: openapi.PROOF_PROBLEMS}


class VerifyEmailView(LinkView):
    """Finish a registration, or verify the e-mail address of an account.

    With the link of a registration, send the password that the account will have. With
    the link of an account, send its password or an access token of its user. Five wrong
    passwords void the link.
    """

    @extend_schema(**openapi.VERIFY_EMAIL)
    def post(self, request: Request) -> Response:
        data = valid(s.VerifyEmailSerializer(data=request.data))
        proof = proof_of(request, data.get("password", ""))
        username = data.get("username", "")
        verification.confirm(data["token"], proof, client_of(request), username)
        return Response(status=204)


class AskView(OpenView):
    """Ask for a mail. The answer is the same for every address."""

    kind: requests.Kind

    def post(self, request: Request) -> Response:
        address = valid(s.AddressSerializer(data=request.data))["email"]
        requests.ask(self.kind, address, client_of(request))
        return accepted()


@extend_schema_view(post=extend_schema(**openapi.RESEND))
class ResendView(AskView):
    """Ask for a new link that verifies an e-mail address or finishes a registration."""

    kind = requests.Kind.RESEND


@extend_schema_view(post=extend_schema(**openapi.PASSWORD_RESET))
class PasswordResetView(AskView):
    """Ask for a mail with a link that sets a new password."""

    kind = requests.Kind.RESET


class ConfirmPasswordResetView(OpenView):
    """Set a new password with the link in a mail. All sessions end, and none begins.
    The other links of the account become void, except those that undo a change of the
    e-mail address or cancel a reset of the second factors."""

    @extend_schema(**openapi.CONFIRM_PASSWORD_RESET)
    def post(self, request: Request) -> Response:
        data = valid(s.PasswordResetSerializer(data=request.data))
        reset.confirm(data["token"], data["new_password"], client_of(request))
        return Response(status=204)


class ChangeEmailView(JSONView):
    @extend_schema(**openapi.CHANGE_EMAIL)
    def post(self, request: Request) -> Response:
        """Ask for a change of your e-mail address.

        The new address gets a mail with a link, unless it is taken. The present address
        gets a notice. An earlier request becomes void.
        """
        assert isinstance(request.user, TokenUser)
        user, client = caller(request, factors=True), client_of(request)
        data = valid(s.EmailChangeSerializer(user, data=request.data))
        change = change_email.request(user, request.user, client, **data)
        answer = {"pending_email": change.email, "expires_at": change.expires_at}
        return Response(answer, status=202)

    @extend_schema(**openapi.CANCEL_EMAIL_CHANGE)
    def delete(self, request: Request) -> Response:
        """Cancel the pending change of your e-mail address, if there is one."""
        change_email.cancel(caller(request), sid_of(request))
        return Response(status=204)


class ConfirmEmailChangeView(LinkView):
    """Confirm a change of the e-mail address with the link in a mail.

    Also send the password of the account or an access token of its user. Five wrong
    passwords void the link. For seven days a link in a mail to the old address can undo
    the change.
    """

    @extend_schema(**openapi.CONFIRM_EMAIL_CHANGE)
    def post(self, request: Request) -> Response:
        data = valid(s.ProofSerializer(data=request.data))
        proof = proof_of(request, data.get("password", ""))
        change_email.confirm(data["token"], proof, client_of(request))
        return Response(status=204)


class UndoEmailChangeView(OpenView):
    """Undo a change of the e-mail address with the link in a mail.

    All sessions end, and the password no longer works. A mail has a link for a new one.
    """

    @extend_schema(**openapi.UNDO_EMAIL_CHANGE)
    def post(self, request: Request) -> Response:
        data = valid(s.TokenSerializer(data=request.data))
        change_email.undo(data["token"], client_of(request))
        return Response(status=204)


class CancelFactorsResetView(OpenView):
    """Cancel a reset of your second factors with the link in a mail.

    An operator has requested the reset. The factors stay.
    """

    @extend_schema(**openapi.CANCEL_FACTORS_RESET)
    def post(self, request: Request) -> Response:
        data = valid(s.TokenSerializer(data=request.data))
        resets.cancel_by_link(data["token"], client_of(request))
        return Response(status=204)
