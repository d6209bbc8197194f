"""The admin's buttons that mail a link to a user."""

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import BadRequest
from django.db import transaction
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect

from users.accounts.models import AddressRequest
from users.accounts.requests import send_link
from users.admin.pages import UserPages
from users.models import User

BUTTONS = {
    AddressRequest.Kind.RESET: "Send reset mail",
    AddressRequest.Kind.RESEND: "Resend verification",
}
SENT = "A mail with a link goes to %s."


def mails_for(user: User) -> dict[str, str]:
    """The buttons of this user: who may not log in gets no mail, and who is verified
    none to verify."""
    if not settings.MAIL_ENABLED or not user.is_present:
        return {}
    kinds = list(BUTTONS)[: 1 if user.email_verified else 2]
    return {kind.value: BUTTONS[kind] for kind in kinds}


class MailPages(UserPages):
    def mail_view(self, request: HttpRequest, object_id: str) -> HttpResponse:
        """Mail the link, and record it. Raises BadRequest where it is not one of the
        user's buttons."""
        user, kind = self.user_of(request, object_id), request.POST.get("kind", "")
        if kind not in mails_for(user):
            raise BadRequest("no such mail")
        with transaction.atomic():
            send_link(AddressRequest.Kind(kind), user)
            text = f"Mailed a link: {kind}."
            self.log_event(request, user, "user_mail_link", text, kind=kind)
        messages.success(request, SENT % user)
        return redirect("admin:users_user_change", user.pk)
