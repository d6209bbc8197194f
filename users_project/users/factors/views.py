"""The HTTP views of a user's own factors."""

from typing import Any
from uuid import UUID

from django.conf import settings
from django.utils.functional import cached_property
from drf_spectacular.utils import extend_schema
from rest_framework.exceptions import NotFound
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.exceptions import TokenRevoked
from shared.api.openapi import TOKEN_PROBLEMS
from shared.api.views import JSONView, valid
from shared.auth.authentication import JWTAuthentication
from shared.auth.enrolment import EnrolmentAuthentication, EnrolmentUser
from shared.auth.passkeys import TIMEOUT
from users.factors import changes, openapi, policy, recovery_codes, registration, totp
from users.factors import serializers as s
from users.factors.models import Factor
from users.limits.guess_limits import client_of, counted_of
from users.models import User

LIMIT = "PROFILE_LIMIT_USER"


class OwnFactorsView(JSONView):
    """For a user with an access token, or with an enrol token for the first factor."""

    authentication_classes: Any = (EnrolmentAuthentication, JWTAuthentication)
    # 404 while SECOND_FACTOR is off.
    problem_codes = {401: TOKEN_PROBLEMS, 404: ("not_found",)}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        if settings.SECOND_FACTOR == "off":
            raise NotFound
        super().initial(request, *args, **kwargs)

    @cached_property
    def user(self) -> User:
        """The account, with factors. Raises TokenRevoked if it is gone, or if an enrol
        token is no longer good (`require_first`)."""
        caller: Any = self.request.user
        user = User.objects.find(id=caller.pk, factors=True)
        if user is None:
            raise TokenRevoked
        if isinstance(caller, EnrolmentUser):
            changes.require_first(user, caller)
        return user

    @property
    def caller(self) -> changes.Caller:
        caller: Any = self.request.user
        return caller


class FactorsView(OwnFactorsView):
    @extend_schema(**openapi.OWN_FACTORS)
    def get(self, request: Request) -> Response:
        """List your confirmed factors, the oldest first. The answer also says how many
        recovery codes are left."""
        user = self.user
        rows = Factor.objects.filter(user=user, confirmed_at__isnull=False)
        answer = {
            "factors": s.FactorSerializer(rows.order_by("created_at"), many=True).data,
            "recovery_codes_left": recovery_codes.left(user.pk),
            "required": policy.is_required(user),
            "has_password": user.has_usable_password(),
        }
        return Response(answer)


class TOTPView(OwnFactorsView):
    @extend_schema(**openapi.ADD_TOTP)
    def post(self, request: Request) -> Response:
        """Create a TOTP for an authenticator app. It counts once a code confirms it,
        and then replaces the previous TOTP."""
        body, user = valid(s.NameSerializer(data=request.data)), self.user
        with counted_of(user, LIMIT):
            factor, secret = changes.propose_totp(self.caller, body["name"])
        answer = {"id": factor.pk, "secret": secret}
        answer |= {"uri": totp.uri(secret, user.email)}
        answer |= {"expires_in": int(changes.LIFETIME.total_seconds())}
        return Response(answer, status=201)


class PasskeyOptionsView(OwnFactorsView):
    @extend_schema(**openapi.PASSKEY_OPTIONS)
    def post(self, request: Request) -> Response:
        """Begin to register a passkey: get options for `navigator.credentials.create`.
        They are good once, for five minutes."""
        with counted_of(self.user, LIMIT):
            asked = registration.begin(self.caller)
        return Response({"expires_in": TIMEOUT, "passkey": asked})


class PasskeysView(OwnFactorsView):
    @extend_schema(**openapi.ADD_PASSKEY)
    def post(self, request: Request) -> Response:
        """Register a passkey. If it is the first factor, all other sessions end, and
        the answer has ten recovery codes, which are shown only here."""
        body, user = valid(s.NewPasskeySerializer(data=request.data)), self.user
        with counted_of(user, LIMIT):
            factor = registration.register(user, **body)
            codes = registration.complete(self.caller, factor, client_of(request))
        answer = {"id": factor.pk, "recovery_codes": codes}
        return Response(answer, status=201)


class ConfirmView(OwnFactorsView):
    @extend_schema(**openapi.CONFIRM_TOTP)
    def post(self, request: Request, factor_id: UUID) -> Response:
        """Confirm a TOTP with a code. If it is the first factor, all other sessions
        end, and the answer has ten recovery codes, which are shown only here."""
        code = valid(s.CodeSerializer(data=request.data))["code"]
        with counted_of(self.user, LIMIT):
            codes = changes.confirm_totp(
                self.caller, factor_id, code, client_of(request)
            )
        return Response({"recovery_codes": codes})


class FactorView(OwnFactorsView):
    @extend_schema(**openapi.RENAME_FACTOR)
    def patch(self, request: Request, factor_id: UUID) -> Response:
        """Rename a factor."""
        name = valid(s.NewNameSerializer(data=request.data))["name"]
        with counted_of(self.user, LIMIT):
            factor = changes.rename(self.caller, factor_id, name)
        return Response(s.FactorSerializer(factor).data)

    @extend_schema(**openapi.REMOVE_FACTOR)
    def delete(self, request: Request, factor_id: UUID) -> Response:
        """Remove a factor. All other sessions end. If it was the last factor, the
        recovery codes become void."""
        changes.remove(self.caller, factor_id, client_of(request))
        return Response(status=204)


class RecoveryCodesView(OwnFactorsView):
    @extend_schema(**openapi.RECOVERY_CODES)
    def post(self, request: Request) -> Response:
        """Replace the recovery codes with ten new ones. 404 without a factor."""
        with counted_of(self.user, LIMIT):
            codes = changes.replace_codes(self.caller, client_of(request))
        return Response({"recovery_codes": codes})


class PasswordView(OwnFactorsView):
    authentication_classes = (JWTAuthentication,)

    @extend_schema(**openapi.DROP_PASSWORD)
    def delete(self, request: Request) -> Response:
        """Remove the password: only passkeys log in. All other sessions end. A password
        reset sets one again. 409 without two passkeys, or one and a recovery code."""
        with counted_of(self.user, LIMIT):
            changes.drop_password(self.caller)
        return Response(status=204)
