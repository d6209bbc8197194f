"""Factors for the Auth Service, which asks for them: at a login, and to step up."""

from typing import Any
from uuid import UUID

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.exceptions import (
    InvalidCredentials,
    SecondFactorInvalid,
    TokenInvalid,
    UserNotFound,
)
from shared.api.views import valid
from shared.auth import device_cookie
from users.events.log import record
from users.factors import enrolment, openapi, passkeys, policy
from users.factors.serializers import (
    EnrolmentSerializer,
    FactorAttemptSerializer,
    PasskeyAttemptSerializer,
)
from users.factors.verification import FactorProof, verify
from users.limits.guess_limits import Client
from users.models import User
from users.passwords import credentials
from users.serializers import MEMBERS_OF_VERIFIED, represent
from users.views import AuthServiceView


class FactorsView(AuthServiceView):
    """Get the factors of a user, for a step-up. Only for the Auth Service."""

    @extend_schema(**openapi.FACTORS)
    def get(self, request: Request, user_id: UUID) -> Response:
        user = User.objects.find(id=user_id, factors=True)
        if user is None:
            raise UserNotFound
        summary = policy.summary(user)
        return Response({**summary, "has_password": user.has_usable_password()})


class VerifyFactorView(AuthServiceView):
    """Verify a factor for a login or step-up, and use it up. Only for the Auth Service.

    An absent user, or one whose sessions have ended since, must start over. `device` is
    for a login, which this completes: it is renewed, with trust if `trust_device`.
    """

    @extend_schema(**openapi.VERIFY_FACTOR)
    def post(self, request: Request, user_id: UUID) -> Response:
        attempt = valid(FactorAttemptSerializer(data=request.data))
        user = User.objects.find(id=user_id, factors=True)
        if user is None or user.session_epoch != attempt["epoch"]:
            raise TokenInvalid
        device = attempt.get("device")
        client = Client(device=device or "", **attempt.get("client", {}))
        answer = represent(user, MEMBERS_OF_VERIFIED)
        answer |= {"sub": user.pk, "amr": verify_attempt(user, attempt, client)}
        if device is not None:
            credentials.note_login(user, client)
            trust = attempt.get("trust_device", False)
            answer["device"] = device_cookie.renew(device, user, trust=trust)
        return Response(answer)


class VerifyPasskeyView(AuthServiceView):
    """Verify a login with a passkey, and find its user. Only for the Auth Service.

    Unknown passkeys, wrong signatures and absent users get the same answer, after the
    same work.
    """

    @extend_schema(**openapi.VERIFY_PASSKEY)
    def post(self, request: Request) -> Response:
        attempt = valid(PasskeyAttemptSerializer(data=request.data))
        device = attempt.get("device", "")
        client = Client(device=device, **attempt.get("client", {}))
        credential, challenge = attempt["credential"], attempt["challenge"]
        passkey = passkeys.authenticate(credential, challenge, client)
        user = passkey.user
        credentials.note_login(user, client)
        answer = represent(user, MEMBERS_OF_VERIFIED)
        answer |= {"sub": user.pk, "amr": passkey.amr}
        return Response({**answer, "device": device_cookie.renew(device, user)})


class EnrolView(AuthServiceView):
    """Check whether a user has more proof than the password. A device of the account or
    a token is such proof. Without it, a verified address gets a link with a token. An
    absent user, or one whose sessions have ended, starts over. For the Auth Service."""

    @extend_schema(**openapi.ENROL)
    def post(self, request: Request, user_id: UUID) -> Response:
        proof = valid(EnrolmentSerializer(data=request.data))
        user = User.objects.find(id=user_id)
        if user is None or user.session_epoch != proof["epoch"]:
            raise TokenInvalid
        device, token = proof.get("device", ""), proof.get("token", "")
        return Response({"proved": enrolment.is_proved(user, device, token)})


def verify_attempt(user: User, attempt: dict[str, Any], client: Client) -> list[str]:
    """The methods (`amr`) by which the user proved who they are. Raises
    SecondFactorInvalid, InvalidCredentials, RateLimited, Overloaded."""
    if "password" in attempt:
        return by_password(user, attempt["password"], attempt["sid"])
    names = attempt.keys() & {"totp", "recovery_code", "passkey", "challenge"}
    proof = FactorProof(**{name: attempt[name] for name in names})
    return verify(user, proof, client, attempt["epoch"], attempt.get("sid"))


def by_password(user: User, password: str, sid: UUID) -> list[str]:
    """The methods of a right password. Users who have a factor must give that."""
    if policy.methods(user):
        raise SecondFactorInvalid
    if not credentials.verify_current_password(user, password, str(sid)):
        record("authn_password_check_fail", user.pk, sid=str(sid))
        raise InvalidCredentials
    return ["pwd"]
