"""The HTTP side of locks, for operators: the admin of the User Service asks, which
knows the names of an account. 503 without Redis, where they are."""

from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.openapi import problems
from shared.limits import locks
from tokens import serializers as s
from tokens.views.internal import OperatorView

REFUSED = problems(body=True, _401=("service_auth_failed",), _403=("forbidden",))


def logins_of(request: Request) -> list[str]:
    serializer = s.LoginsSerializer(data=request.data)
    serializer.is_valid(raise_exception=True)
    names: list[str] = serializer.validated_data["logins"]
    return names


class LocksView(OperatorView):
    """The waits that limits impose on these logins, from wherever they are tried."""

    @extend_schema(
        operation_id="auth_locks_list",
        request=s.LoginsSerializer,
        responses={200: s.LocksSerializer, **REFUSED},
    )
    def post(self, request: Request) -> Response:
        found = [lock for login in logins_of(request) for lock in locks.locks(login)]
        return Response({"locks": [lock._asdict() for lock in found]})


class LiftLocksView(OperatorView):
    """Forget their failures, so that they may be tried again at once."""

    @extend_schema(
        operation_id="auth_locks_lift",
        request=s.LoginsSerializer,
        responses={200: s.LiftedSerializer, **REFUSED},
    )
    def post(self, request: Request) -> Response:
        lifted = sum(locks.lift(login, by="users") for login in logins_of(request))
        return Response({"lifted": lifted})
