"""Routes of the third service."""

from django.urls import path
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.urls import common
from shared.api.views import JSONView
from shared.auth.permissions import has_acr


class WhoView(JSONView):
    """Who the access token names: no database is asked."""

    def get(self, request: Request) -> Response:
        user = request.user
        return Response({"id": user.id, "sid": user.sid, "roles": user.roles})


class PayoutView(WhoView):
    """The same, for users who have used a second factor."""

    permission_classes = (has_acr("aal2"),)


urlpatterns = [
    path("api/v1/reports/who", WhoView.as_view()),
    path("api/v1/reports/payout", PayoutView.as_view()),
    *common("api/v1/reports"),
]

handler400 = "shared.api.problem_details.bad_request"
handler403 = "shared.api.problem_details.permission_denied"
handler404 = "shared.api.problem_details.page_not_found"
handler500 = "shared.api.problem_details.server_error"
