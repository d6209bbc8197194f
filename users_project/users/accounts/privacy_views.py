"""The HTTP views of the export, and of restoring an account by a link."""

from django.http import HttpResponse
from drf_spectacular.utils import extend_schema
from rest_framework.request import Request
from rest_framework.response import Response

from shared.api.exceptions import Unavailable
from shared.api.views import JSONView, OpenView, valid
from shared.auth.permissions import RECENT, logged_in_within
from users.accounts import deletion, export, privacy_schema
from users.accounts.serializers import TokenSerializer
from users.limits.guess_limits import client_of, counted_of
from users.views import caller


class ExportView(JSONView):
    permission_classes = (logged_in_within(RECENT),)

    @extend_schema(**privacy_schema.EXPORT)
    def get(self, request: Request) -> HttpResponse:
        """Get all data that both services store about you, as a file. 503 if the Auth
        Service does not answer: the file is never incomplete."""
        user = caller(request)
        # One that fails counts, too: it may have taken as long.
        with (
            export.AT_ONCE.slot(),
            counted_of(user, "EXPORT_LIMIT_USER", Unavailable),
        ):
            found = export.export(user)
        disposition = f'attachment; filename="{export.FILENAME}"'
        headers = {"Content-Disposition": disposition}
        return HttpResponse(found, content_type="application/json", headers=headers)


class RestoreView(OpenView):
    @extend_schema(**privacy_schema.RESTORE)
    def post(self, request: Request) -> Response:
        """Restore a deleted account with the link in a mail. Then log in again."""
        token = valid(TokenSerializer(data=request.data))["token"]
        deletion.restore_by_link(token, client_of(request))
        return Response(status=204)
